import Testing
import VPCModel
import Wire

@testable import ReferenceModel

@Suite struct PatchTests {
  private func patch(
    _ model: VPCModel, _ text: String = "", deleting names: [ModelObjectName] = []
  ) throws(ModelErrors) -> ChangedModel {
    try ModelLoader.patch(model, setting: [("patch", text)], deleting: names)
  }

  private func errors(
    _ model: VPCModel, _ text: String = "", deleting names: [ModelObjectName] = []
  ) -> [String] {
    do throws(ModelErrors) {
      _ = try patch(model, text, deleting: names)
      return []
    } catch {
      return error.errors.map(\.description)
    }
  }

  // MARK: What a patch does

  @Test func replacesInPlaceAddsAtTheEndAndDeletes() throws {
    let model = try load(exampleText)
    let after = try patch(
      model,
      """
      vpcs:
        - {id: vpc-red, vni: 300, cidrs: [10.20.0.0/16]}
        - {id: vpc-blue, vni: 101, cidrs: [10.0.0.0/16, "fd00:10::/56"]}
      """, deleting: [ModelObjectName(.mappings, "vpc-blue/10.0.2.20")])
    #expect(after.model.vpcs.map(\.id) == ["vpc-blue", "vpc-green", "vpc-red"])
    #expect(after.model.vpcs[0].vni == 101)
    #expect(after.model.mappings.isEmpty)
    #expect(
      after.changes.map { "\($0.action) \($0.name)" } == [
        "changed vpcs/vpc-blue", "created vpcs/vpc-red", "deleted mappings/vpc-blue/10.0.2.20",
      ])
    #expect(after.named.count == 3)
  }

  @Test func sameObjectsAreNoChange() throws {
    let model = try load(exampleText)
    let after = try patch(model, exampleText)
    #expect(after.changes.isEmpty)
    #expect(after.model == model)
  }

  @Test func hostAndPolicyAreSetAndDeleted() throws {
    let model = try load(exampleText)
    let set = try patch(
      model,
      """
      policy: {midstream: drop}
      host: {address: 192.0.2.1, mac: 02:aa:00:00:00:01, gatewayMAC: 02:aa:00:00:00:fe}
      """)
    #expect(set.model.policy.midstream == .drop)
    #expect(set.model.host?.mtu == 1500)
    let names = [ModelObjectName(.host), ModelObjectName(.policy)]
    let deleted = try patch(set.model, deleting: names)
    #expect(deleted.model.host == nil && deleted.model.policy == Policy())
    #expect(try patch(deleted.model, deleting: names).changes.isEmpty)
  }

  @Test func nameMayStandForAnotherKindAfterwards() throws {
    let model = try load(
      """
      vpcs: [{id: v, vni: 1, cidrs: [10.0.0.0/8]}]
      securityGroups: [{id: a, vpc: v, ingress: [{protocol: all, from: b}]}, {id: b, vpc: v}]
      """)
    let after = try patch(
      model, "prefixLists: [{id: b, entries: [192.0.2.0/24]}]",
      deleting: [ModelObjectName(.securityGroups, "b")])
    #expect(after.model.securityGroups[0].ingress[0].peers == [.prefixList("b")])
  }

  @Test func missingObjectsAreTold() throws {
    let model = try load(exampleText)
    let there = [
      ModelObjectName(.mappings, "vpc-blue/10.0.2.20"), ModelObjectName(.vpcs, "vpc-blue"),
      ModelObjectName(.host), ModelObjectName(.policy),
    ]
    let gone = [
      ModelObjectName(.mappings, "vpc-green/10.0.2.20"), ModelObjectName(.vpcs, "vpc-red"),
      ModelObjectName(.mappings, "nonsense"),
    ]
    #expect(model.missing(there + gone) == gone)
  }

  // MARK: What it refuses

  @Test func errorsOfThePatchHaveTheirPlace() throws {
    let model = try load(exampleText)
    #expect(
      errors(model, "subnets: [{id: s, vpc: nowhere, cidrs: [10.0.9.0/24]}]\nmappings: [7]") == [
        "patch:1:24: subnets[0].vpc: there is no VPC `nowhere`",
        "patch:2:12: mappings[0]: must be an object with fields, not the number 7",
      ])
  }

  @Test func errorsOfPresentObjectsNameThem() throws {
    let model = try load(exampleText)
    #expect(
      errors(model, deleting: [ModelObjectName(.securityGroups, "sg-web")]) == [
        "the present state: networkInterfaces/eni-web.securityGroups: "
          + "there is no security group `sg-web`"
      ])
    #expect(
      errors(
        model, "subnets: [{id: subnet-a, vpc: vpc-blue, cidrs: [10.0.2.0/24, 'fd00:10:0:1::/64']}]")
        == [
          "the present state: networkInterfaces/eni-web.addresses: "
            + "`10.0.1.10` is outside the CIDR blocks of subnet `subnet-a`"
        ])
  }

  @Test func conflictsNameBothSides() throws {
    let model = try load(exampleText)
    #expect(
      errors(
        model,
        """
        vpcs: [{id: vpc-red, vni: 100, cidrs: [10.9.0.0/16]}]
        mappings:
          - {vpc: vpc-blue, address: 10.0.1.10, host: 192.0.2.2, mac: 02:00:00:00:00:14}
        prefixLists: [{id: sg-web, entries: []}]
        networkACLs:
          - id: x
            vpc: vpc-red
            ingress: [{id: sg-web/ingress/0, rule: 1, action: deny, protocol: all, cidr: "::/0"}]
        """) == [
          "patch:1:27: vpcs[0].vni: VNI 100 is another VPC's; first at "
            + "`vpcs/vpc-blue.vni` of the present state",
          "patch:3:30: mappings[0].address: duplicate address `10.0.1.10` in `vpc-blue`; first at "
            + "`networkInterfaces/eni-web.addresses` of the present state",
          "patch:4:20: prefixLists[0].id: the id `sg-web` is also a security group's; first at "
            + "`securityGroups/sg-web` of the present state",
          "patch:8:20: networkACLs[0].ingress[0].id: duplicate rule id `sg-web/ingress/0`; "
            + "first at `securityGroups/sg-web` of the present state",
        ])
  }

  @Test func objectMayNotBeSetAndDeleted() throws {
    let model = try load(exampleText)
    #expect(
      errors(
        model, "prefixLists: [{id: pl-office, entries: []}]\npolicy: {midstream: drop}",
        deleting: [ModelObjectName(.prefixLists, "pl-office"), ModelObjectName(.policy)]) == [
          "patch:1:20: prefixLists[0].id: `pl-office` is to be set and to be deleted",
          "patch:2:9: policy: is to be set and to be deleted",
        ])
  }

  @Test func standardNameOfARuleMayNotBeTakenByAnother() throws {
    let texts = [
      "vpcs: [{id: v, vni: 1, cidrs: [10.0.0.0/8]}]",
      "securityGroups: [{id: a, vpc: v, ingress: [{id: b/ingress/0, protocol: all, from: a}]}]",
      "securityGroups: [{id: b, vpc: v, ingress: [{protocol: all, from: a}]}]",
    ]
    for order in [[0, 1, 2], [0, 2, 1]] {
      #expect(throws: ModelErrors.self) {
        try ModelLoader.load(texts: order.map { ("\($0)", texts[$0]) })
      }
    }
  }

  // MARK: Against the loader

  /// A patch gives what loading the merged documents gives, or both refuse.
  @Test func agreesWithLoadingTheWhole() throws {
    var (accepted, refused) = (0, 0)
    for seed: UInt64 in 0..<100 {
      var random = SeededGenerator(state: seed)
      var generator = ModelGenerator(seed: seed)
      var other = ModelGenerator(seed: seed + 1000)
      var model = try load(ModelWriter.document(generator.generate()))
      let source = try load(ModelWriter.document(other.generate()))
      for _ in 0..<4 {
        let change = RandomChange(of: model, with: source, &random)
        let expected = try? load(change.merged)
        let found = try? ModelLoader.patch(
          model, setting: [("patch", change.text)], deleting: change.deleted)
        try #require(found?.model == expected, "\(change)")
        accepted += found == nil ? 0 : 1
        refused += found == nil ? 1 : 0
        if let found { model = found.model }
      }
    }
    #expect(accepted > 50 && refused > 50, "\(accepted) accepted, \(refused) refused")
  }
}

/// Some objects of another model set and some of this one deleted, as a patch and as a whole.
private struct RandomChange {
  var text = ""
  var merged = ""
  var deleted: [ModelObjectName] = []

  init(of model: VPCModel, with source: VPCModel, _ random: inout SeededGenerator) {
    var patch: [String] = []
    var whole: [String] = []
    for section in ModelSection.allCases {
      var objects = model.objects(in: section)
      var set: [ModelObject] = []
      for object in source.objects(in: section) where random.next() % 6 == 0 {
        set.append(object)
        if let index = objects.firstIndex(where: { $0.name == object.name }) {
          objects[index] = object
        } else {
          objects.append(object)
        }
      }
      for object in objects where random.next() % 40 == 0 && section != .policy {
        if set.contains(object) { continue }
        deleted.append(object.name)
        objects.removeAll { $0.name == object.name }
      }
      if let text = Self.text(section, set) { patch.append(text) }
      if let text = Self.text(section, objects) { whole.append(text) }
    }
    text = "{" + patch.joined(separator: ",\n") + "}"
    merged = "{" + whole.joined(separator: ",\n") + "}"
  }

  private static func text(_ section: ModelSection, _ objects: [ModelObject]) -> String? {
    let texts = objects.map { ModelWriter.json($0) }
    if texts.isEmpty { return nil }
    let isSingle = section == .host || section == .policy
    return "\"\(section.rawValue)\":" + (isSingle ? texts[0] : "[\(texts.joined(separator: ","))]")
  }
}
