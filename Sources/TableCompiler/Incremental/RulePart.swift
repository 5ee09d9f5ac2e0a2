import Tables
import VPCModel
import Wire

/// The rules of one security group or network ACL, compiled: shared by all generations in which
/// they are the same.
final class RulePart: Sendable {
  /// What a part is made from: as long as it is the same, so is the part.
  enum Source: Sendable, Equatable {
    case group(SecurityGroup)
    case acl(NetworkACL)

    var id: String {
      switch self {
      case .group(let group): group.id
      case .acl(let acl): acl.id
      }
    }
  }

  let source: Source
  /// The prefixes of the groups and lists that rules name, by `RulePeer.key`.
  let peers: [String: [IPPrefix]]
  let indices: ClassifierIndices
  /// Its share of `NICRecord.openBits`.
  let openBits: UInt8
  /// Of the ingress rules, then of the egress rules, in the order in which they are judged.
  let names: [String]
  let numbers: [UInt32]
  /// What the classifiers were built from, for the next generation.
  let ingress: FlatRules
  let egress: FlatRules
  /// Which rules name what, as soon as that was asked for.
  let naming: RuleNaming?

  let image: ClassifierImage
  let patches: ClassifierPatches

  /// - Parameters:
  ///   - draft: the rules, with classifiers that name them by their places.
  ///   - numbers: of the rules, by place less one.
  init(_ draft: RuleDraft, numbers: [UInt32], in arenas: TableArenas) throws(TableCompilerError) {
    source = draft.source
    peers = draft.peers
    openBits = draft.openBits
    names = draft.names
    self.numbers = numbers
    ingress = draft.ingress
    egress = draft.egress
    naming = draft.naming
    patches = ClassifierPatches()
    image = try ClassifierImage(draft.classifiers, draft.tries, numbers: numbers, in: arenas)
    var indices = draft.indices
    indices.ingressV4 = image.index(indices.ingressV4)
    indices.ingressV6 = image.index(indices.ingressV6)
    indices.egressV4 = image.index(indices.egressV4)
    indices.egressV6 = image.index(indices.egressV6)
    self.indices = indices
  }

  /// The part of a generation before, of whose rules some name other prefixes now.
  init(_ patch: RulePatch, _ patches: ClassifierPatches) {
    source = .group(patch.group)
    peers = patch.peers
    indices = patch.indices
    openBits = patch.known.openBits
    names = patch.known.names
    numbers = patch.known.numbers
    ingress = patch.ingress
    egress = patch.egress
    naming = patch.naming
    image = patch.known.image
    self.patches = patches
  }

  var byteCount: Int { image.byteCount + patches.byteCount }

  /// Whether the part is that of a group, as far as its own rules go.
  func isOf(_ group: SecurityGroup) -> Bool {
    guard case .group(let known) = source else { return false }
    return known.id == group.id && known.vpc == group.vpc
      && ChangedRange.areSame(known.ingress, group.ingress, bytes: .ofSecurityGroupRule)
      && ChangedRange.areSame(known.egress, group.egress, bytes: .ofSecurityGroupRule)
  }

  /// Whether the part is that of an ACL.
  func isOf(_ acl: NetworkACL) -> Bool {
    guard case .acl(let known) = source else { return false }
    return known.id == acl.id && known.vpc == acl.vpc
      && ChangedRange.areSame(known.ingress, acl.ingress)
      && ChangedRange.areSame(known.egress, acl.egress)
  }
}

extension RulePeer {
  /// Names what the peer's prefixes depend on; nil for a CIDR.
  var key: String? {
    switch self {
    case .cidr: nil
    case .securityGroup(let id): "group " + id
    case .prefixList(let id): "list " + id
    }
  }
}

/// Classifiers in the arenas.
struct ClassifierImage: Sendable {
  private let tries: TrieImage
  private let classifiers: Stored<ClassifierRecord>
  private let classes: Stored<TableRange>
  private let intervals: Stored<ClassifierInterval>

  /// Copies classifiers to the arenas, and puts the rules' numbers for their places.
  init(
    _ builder: ClassifierBuilder, _ trieBuilder: PrefixTrieBuilder, numbers: [UInt32],
    in arenas: TableArenas
  ) throws(TableCompilerError) {
    classifiers = try arenas.classifiers.reserve(builder.classifiers.count)
    classes = try arenas.classes.reserve(builder.classes.count)
    intervals = try arenas.intervals.reserve(builder.starts.count)
    tries = try TrieImage(trieBuilder, adding: classes.start, in: arenas)
    let firstInterval = UInt32(intervals.start)
    func moved(_ range: TableRange) -> TableRange {
      TableRange(start: range.start + firstInterval, count: range.count)
    }
    let trieImage = tries
    classifiers.write(
      builder.classifiers.map { record in
        var record = record
        record.trie = trieImage.index(record.trie)
        record.everywhere = moved(record.everywhere)
        return record
      })
    classes.write(builder.classes.map(moved))
    intervals.write(ClassifierInterval.numbered(builder.starts, builder.results, numbers))
  }

  func index(_ classifier: TableIndex) -> TableIndex {
    classifier == .none ? .none : classifier + UInt32(classifiers.start)
  }

  var byteCount: Int {
    tries.byteCount + classifiers.byteCount + classes.byteCount
      + intervals.byteCount
  }
}

extension ClassifierInterval {
  /// Intervals with the rules' numbers for their places.
  ///
  /// - Parameters:
  ///   - results: `place << 1 | (allow ? 1 : 0)`, or 0.
  ///   - numbers: by place less one.
  static func numbered(
    _ starts: [UInt32], _ results: [UInt32], _ numbers: [UInt32]
  ) -> [ClassifierInterval] {
    zip(starts, results).map { start, result in
      let number = result == 0 ? 0 : numbers[Int(result >> 1) - 1] << 1 | result & 1
      return ClassifierInterval(start: start, result: number)
    }
  }
}
