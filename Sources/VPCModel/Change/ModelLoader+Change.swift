extension ModelLoader {
  /// Sets and deletes some objects of a valid model; only what is set is parsed.
  ///
  /// An object that is there already is replaced in its place, a new one is added at the end. The
  /// whole of the outcome is checked: references from objects that are not touched, too.
  ///
  /// - Parameters:
  ///   - model: a model that came from `ModelLoader`.
  ///   - texts: documents with the objects to set, and the names that errors shall give them.
  ///   - names: objects to delete; `VPCModel.missing` tells whether they are there. Deleting
  ///     `policy` sets its defaults.
  /// - Throws: everything that is wrong. An error of an object that was there before has the line 0
  ///   and names the object in its path.
  /// - Complexity: O(m log m + n), m in the size of the change, n the number of objects; the n is a
  ///   scan that looks at mappings and addresses of the changed ones only.
  public static func patch(
    _ model: VPCModel, setting texts: [(name: String, text: String)],
    deleting names: [ModelObjectName] = []
  ) throws(ModelErrors) -> ChangedModel {
    try patch(model, setting: texts, deleting: names, other: nil)
  }

  /// The same, with one more section in the documents.
  package static func patch(
    _ model: VPCModel, setting texts: [(name: String, text: String)],
    deleting names: [ModelObjectName], other: OtherSection?
  ) throws(ModelErrors) -> ChangedModel {
    var reader = ModelReader(files: texts.map(\.name) + [ModelReader.presentState])
    reader.other = other
    for (index, file) in texts.enumerated() { reader.read(file.text, file: index) }
    return try reader.patch(model, deleting: names)
  }

  /// Replaces a whole model: objects that are in no document go.
  ///
  /// Objects that stay keep their order.
  package static func replace(
    _ model: VPCModel, by texts: [(name: String, text: String)], other: OtherSection?
  ) throws(ModelErrors) -> ChangedModel {
    var reader = ModelReader(files: texts.map(\.name))
    reader.other = other
    for (index, file) in texts.enumerated() { reader.read(file.text, file: index) }
    let merge = ModelMerge.replacing(model, by: try finish(reader))
    return ChangedModel(model: merge.model, changes: merge.changes, named: [])
  }
}

/// A section that a document may have besides those of a model.
package struct OtherSection {
  package var name: String
  /// Reads the section; returns the ids of network interfaces that it names, which must exist.
  package var read: (Located, inout DocumentState) -> [(networkInterface: String, place: Place)]
  /// Network interfaces that must exist because objects of the section are there already, by the
  /// names of these; asked when all documents are read.
  package var present: () -> [(networkInterface: String, object: String)]

  package init(
    _ name: String,
    read: @escaping (Located, inout DocumentState) -> [(networkInterface: String, place: Place)],
    present: @escaping () -> [(networkInterface: String, object: String)]
  ) {
    self.name = name
    self.read = read
    self.present = present
  }
}

extension ModelReader {
  /// The name that errors give objects which were there before.
  static let presentState = "the present state"

  /// Checks what was read together with the rest of a model, and merges the two.
  mutating func patch(
    _ present: VPCModel, deleting names: [ModelObjectName]
  ) throws(ModelErrors) -> ChangedModel {
    let deleted = ChangedNames(names)
    let set = namesOfFacts()
    refuseSetAndDeleted(deleted)
    var named = set
    for name in names { named.insert(name) }
    addFacts(of: present, besides: named)
    let host = model.host
    if host == nil, !named.contains(.host, "") { model.host = present.host }
    checkReferencesAndValues()
    model.host = host
    guard errors.isEmpty else { throw ModelErrors(errors: errorsInOrder()) }
    model.resolveNames(facts.declarations)
    var merge = ModelMerge.patching(
      present, setting: model, setsPolicy: set.contains(.policy, ""), deleting: deleted)
    // What a name stands for may have changed where the objects have not.
    if mayBreakReferences(present, named) { merge.resolveNames(facts.declarations) }
    return ChangedModel(model: merge.model, changes: merge.changes, named: named.all)
  }

  /// The objects of the documents, also those that have errors.
  private func namesOfFacts() -> ChangedNames {
    var names = ChangedNames()
    for (key, declaration) in facts.declarations {
      names.insert(ModelObjectName(declaration.kind.section, key.id))
    }
    for fact in facts.addresses {
      if case .vpc(let vpc) = fact.owner { names.insert(MappingKey(vpc, fact.address)) }
    }
    if facts.sections["host"] != nil { names.insert(ModelObjectName(.host)) }
    if facts.sections["policy"] != nil { names.insert(ModelObjectName(.policy)) }
    return names
  }

  private mutating func refuseSetAndDeleted(_ deleted: ChangedNames) {
    for (key, declaration) in facts.declarations
    where deleted.contains(declaration.kind.section, key.id) {
      fail(declaration.place, "`\(key.id)` is to be set and to be deleted")
    }
    for fact in facts.addresses {
      guard case .vpc(let vpc) = fact.owner,
        deleted.mappings.contains(MappingKey(vpc, fact.address))
      else { continue }
      fail(fact.place, "the mapping of `\(fact.address)` is to be set and to be deleted")
    }
    for (name, section) in [("host", ModelSection.host), ("policy", .policy)] {
      guard let place = facts.sections[name], deleted.contains(section, "") else { continue }
      fail(place, "is to be set and to be deleted")
    }
  }
}
