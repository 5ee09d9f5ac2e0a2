import Controller

/// Documents and callers that tests use.
public enum Rules {
  /// A VPC with a subnet and a network interface in one group.
  public static let base = """
    vpcs: [{id: v, vni: 1, cidrs: [10.0.0.0/8]}]
    subnets: [{id: s, vpc: v, cidrs: [10.0.0.0/16]}]
    securityGroups: [{id: g, vpc: v, ingress: [{protocol: tcp, ports: 443, from: 0.0.0.0/0}]}]
    networkInterfaces:
      - {id: eni-web, subnet: s, mac: 02:00:00:00:00:01, addresses: [10.0.0.9], securityGroups: [g]}
    """

  public static func document(_ text: String) -> ModelDocument {
    ModelDocument(name: "test.yaml", text: text)
  }

  public static func whole(_ text: String) -> ChangeRequest {
    ChangeRequest(.whole([document(text)]))
  }

  public static func patch(
    _ text: String = "", delete: [ObjectReference] = []
  ) -> ChangeRequest {
    ChangeRequest(.patch(set: [document(text)], delete: delete))
  }

  /// A group with a rule for a port, which tells one generation from the other.
  public static func group(_ id: String = "g", port: Int) -> String {
    "securityGroups: [{id: \(id), vpc: v, ingress: [{protocol: tcp, ports: \(port), "
      + "from: 0.0.0.0/0}]}]"
  }

  public static func caller(_ permissions: Set<Permission>, _ name: String = "uid:7") -> Caller {
    Caller(
      name: name, proof: .process(user: 7, group: 7, process: 4711), permissions: permissions)
  }

  public static let administrator = caller(Set(Permission.allCases), "uid:0")
}
