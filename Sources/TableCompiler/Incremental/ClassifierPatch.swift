import Tables
import VPCModel

/// A classifier in the arenas that differs from one before in the classes of some prefixes.
struct ClassifierPatch: Sendable {
  /// What classifiers that follow may lead to as well.
  struct Shared: Sendable {
    fileprivate let lines: Stored<PrefixLine>
    fileprivate let classes: Stored<TableRange>
    fileprivate let intervals: Stored<ClassifierInterval>

    var byteCount: Int { lines.byteCount + classes.byteCount + intervals.byteCount }
  }

  /// What of a classifier is of one generation alone.
  struct Own: Sendable {
    fileprivate let classifier: Stored<ClassifierRecord>
    fileprivate let trie: Stored<PrefixTrieRecord>
    fileprivate let direct: Stored<PrefixLink>?

    var byteCount: Int {
      classifier.byteCount + trie.byteCount + (direct?.byteCount ?? 0)
    }
  }

  let shared: Shared
  let own: Own

  /// - Parameter known: the index of the classifier before.
  /// - Returns: nil when its trie has to begin in another way.
  init?(
    _ draft: ClassDraft, _ known: TableIndex, in arenas: TableArenas
  ) throws(TableCompilerError) {
    let classes = try arenas.classes.reserve(draft.classes.count)
    let intervals = try arenas.intervals.reserve(draft.intervals.count)
    let changes = draft.changes.adding(UInt32(classes.start))
    var record = arenas.classifiers.view[known]
    guard let patch = try TriePatch(arenas.tries.view[record.trie], changes, in: arenas) else {
      return nil
    }
    let first = UInt32(intervals.start)
    classes.write(draft.classes.map { TableRange(start: $0.start + first, count: $0.count) })
    intervals.write(draft.intervals)
    let trie = try arenas.tries.reserve(1)
    trie.write([patch.record])
    record.trie = UInt32(trie.start)
    let classifier = try arenas.classifiers.reserve(1)
    classifier.write([record])
    shared = Shared(lines: patch.lines, classes: classes, intervals: intervals)
    own = Own(classifier: classifier, trie: trie, direct: patch.direct)
  }

  var index: TableIndex { UInt32(own.classifier.start) }
}

extension TriePatch.Changes {
  /// The same with other values: what is not none grows.
  fileprivate func adding(_ base: UInt32) -> TriePatch.Changes {
    var changes = TriePatch.Changes()
    for span in spans {
      let moved = entries[span].map { entry in
        var entry = entry
        if entry.value != .none { entry.value += base }
        return entry
      }
      changes.add(moved[0], inner: Array(moved.dropFirst()))
    }
    return changes
  }
}

/// What patches have added to a group's classifiers since these were made.
struct ClassifierPatches: Sendable {
  /// Bytes of the control side that a patch takes besides.
  private static let overhead = 256

  private var shared = SharedList<ClassifierPatch.Shared>()
  /// Of the last patch of ingress and egress, IPv4 and IPv6.
  private var own: [ClassifierPatch.Own?] = [nil, nil, nil, nil]
  private var sharedBytes = 0

  /// - Parameter side: which of the four classifiers.
  mutating func add(_ patch: ClassifierPatch, side: Int) {
    shared.append(patch.shared)
    sharedBytes += patch.shared.byteCount
    own[side] = patch.own
  }

  /// Whether one more patch is better than making the group anew.
  ///
  /// Groups that name the same list get patches at the same time; that they are made anew at
  /// different times keeps each change short.
  func hasRoom(beside whole: Int, _ id: String) -> Bool {
    let hash = id.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
    let limit = whole + whole / 2 + 32_768
    return sharedBytes + Self.overhead * shared.count <= limit / 2 + limit * Int(hash >> 20) / 4_096
  }

  var byteCount: Int { own.reduce(sharedBytes) { $0 + ($1?.byteCount ?? 0) } }
}
