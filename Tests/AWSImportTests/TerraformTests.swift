import AWSImport
import TestPackets
import Testing
import VPCModel

/// Terraform's state, in the shape that its documentation of `terraform show -json` publishes.
@Suite struct TerraformTests {
  static func read(_ root: [String], child: [String] = []) -> ImportResult {
    AWSImport.read(texts: [(name: "state.json", text: state(root, child: child))])
  }

  static func verdicts(_ result: ImportResult, _ packets: [UInt8]...) throws -> [String] {
    let document = try #require(result.document, "\(result.findings)")
    let model = try ModelLoader.load(texts: [(name: "m", text: document)])
    return try Judge.verdicts(packets, model)
  }

  @Test func stateIsTheSameModelAsDescribeCalls() {
    let result = Self.read(Self.network, child: Self.guests)
    #expect(result.findings.map(\.code) == [.unused], "\(result.findings)")
    #expect(result.document == Account.base().read().document)
  }

  /// What the state does not have comes from AWS.
  @Test func stateAndDescribeCallsTogether() {
    let account = Account.base()
    let network = Self.network.filter { !$0.contains("network_acl\"") }
    let names: Set = ["NetworkAcls.json", "NetworkInterfaces.json", "SecurityGroups.json"]
    let result = AWSImport.read(
      texts: [(name: "state.json", text: Self.state(network))]
        + account.texts.filter { names.contains($0.name) })
    #expect(result.findings.map(\.code) == [.unused], "\(result.findings)")
    #expect(result.document == account.read().document)
  }

  /// A state that shows fewer routes of a table than AWS does was not refreshed.
  @Test func stateThatIsOldIsAConflict() {
    let result = AWSImport.read(
      texts: [(name: "state.json", text: Self.state(Self.network))] + Account.base().texts)
    let errors = result.findings.filter { $0.severity == .error }
    #expect(errors.map(\.code) == [.conflict] && errors[0].id == "rtb-public")
  }

  @Test func rulesOfTheirOwn() throws {
    let rules = [
      Self.resource(
        "aws_security_group_rule", "ssh",
        """
        "id":"sgrule-1","type":"ingress","security_group_id":"sg-web","protocol":"tcp",\
        "from_port":22,"to_port":22,"cidr_blocks":["198.51.100.0/24"],"ipv6_cidr_blocks":null,\
        "prefix_list_ids":null,"self":true,"source_security_group_id":null
        """),
      Self.resource(
        "aws_vpc_security_group_ingress_rule", "db",
        """
        "id":"sgr-db","security_group_rule_id":"sgr-db","security_group_id":"sg-data",\
        "ip_protocol":"tcp","from_port":5432,"to_port":5432,"cidr_ipv4":null,"cidr_ipv6":null,\
        "prefix_list_id":null,"referenced_security_group_id":"111122223333/sg-web"
        """),
      Self.resource(
        "aws_network_acl_rule", "deny",
        """
        "id":"nacl-1","network_acl_id":"acl-default","rule_number":50,"egress":false,\
        "protocol":"6","rule_action":"deny","cidr_block":"198.51.100.66/32","from_port":22,\
        "to_port":22,"ipv6_cidr_block":"","icmp_type":null,"icmp_code":null
        """),
    ]
    let verdicts = try Self.verdicts(
      Self.read(Self.network + rules, child: Self.guests),
      Packet.tcp("198.51.100.7", 1, "10.0.1.10", 22),
      Packet.tcp("198.51.100.66", 1, "10.0.1.10", 22),
      Packet.tcp("203.0.113.5", 1, "10.0.1.10", 22),
      Packet.tcp("10.0.1.10", 1, "10.0.2.20", 5432), Packet.tcp("10.0.1.9", 1, "10.0.2.20", 5432))
    #expect(
      verdicts == [
        "forward sg-web/ingress/0 eni-web", "drop acl.ingress acl-default/ingress/50",
        "drop sg.ingress", "forward sg-web/egress/0 eni-data", "drop sg.ingress",
      ])
    let data = Self.read(Self.network + rules, child: Self.guests).model?.securityGroups
      .first { $0.id == "sg-data" }
    #expect(data?.ingress.map(\.id) == ["sgr-db"])
  }

  @Test func instancesGatewaysAndPeers() throws {
    let more = [
      Self.resource(
        "aws_instance", "app",
        """
        "id":"i-1","primary_network_interface_id":"eni-app","subnet_id":"subnet-private",\
        "private_ip":"10.0.2.30","secondary_private_ips":["10.0.2.31"],"ipv6_addresses":[],\
        "public_ip":"","source_dest_check":true,"vpc_security_group_ids":["sg-data"]
        """),
      Self.resource(
        "aws_nat_gateway", "nat",
        """
        "id":"nat-1","subnet_id":"subnet-public","network_interface_id":"eni-nat",\
        "private_ip":"10.0.1.200","public_ip":"203.0.113.200","allocation_id":"eipalloc-2"
        """),
      Self.resource(
        "aws_route", "nat",
        """
        "id":"r-3","route_table_id":"rtb-main","destination_cidr_block":"0.0.0.0/0",\
        "nat_gateway_id":"nat-1","state":"active"
        """),
      Self.resource(
        "aws_route", "tgw",
        """
        "id":"r-4","route_table_id":"rtb-main","destination_cidr_block":"192.168.0.0/16",\
        "transit_gateway_id":"tgw-1","state":"active"
        """),
      Self.resource("aws_vpc", "peer", #""id":"vpc-2","cidr_block":"172.16.0.0/16""#),
      Self.resource(
        "aws_vpc_peering_connection", "peer",
        #""id":"pcx-1","vpc_id":"vpc-1","peer_vpc_id":"vpc-2","accept_status":"active""#),
      Self.resource(
        "aws_route", "peer",
        """
        "id":"r-5","route_table_id":"rtb-main","destination_prefix_list_id":"pl-1",\
        "vpc_peering_connection_id":"pcx-1","state":"active"
        """),
      Self.resource(
        "aws_ec2_managed_prefix_list", "peer",
        #""id":"pl-1","name":"peer","entry":[{"cidr":"172.16.0.0/17","description":""}]"#),
      Self.resource(
        "aws_ec2_managed_prefix_list_entry", "peer",
        #""id":"e-1","prefix_list_id":"pl-1","cidr":"172.16.128.0/17""#),
    ]
    let result = Self.read(Self.network + Self.guests, child: more)
    let verdicts = try Self.verdicts(
      result, Packet.tcp("10.0.2.30", 1, "198.51.100.7", 443),
      Packet.tcp("10.0.2.31", 1, "192.168.0.1", 443),
      Packet.tcp("10.0.2.30", 1, "172.16.200.1", 443),
      Packet.tcp("10.0.1.200", 1, "198.51.100.7", 443))
    #expect(
      verdicts == [
        "forward sg-data/egress/0 eni-nat", "drop route.blackhole rtb-main/192.168.0.0/16",
        "drop mapping.none", "forward apus-allow-all-vpc-1/egress/0 underlay",
      ])
    #expect(result.findings.filter { $0.code == .unsupported }.map(\.id) == ["rtb-main"])
  }

  @Test func whatTheStateDoesNotHaveIsMissing() {
    let withoutACL = Self.network.filter { !$0.contains("aws_default_network_acl") }
    let errors = Self.read(withoutACL, child: Self.guests).findings.filter {
      $0.severity == .error
    }
    #expect(errors.map(\.code) == [.missing])
    #expect(errors.first?.reason.contains("acl-default") == true)
  }

  @Test func wrongResourcesAreRefusedAtTheirPlace() {
    let wrong = Self.guests.map { $0.replacing("10.0.2.20", with: "10.0.2.2o") }
    let error = Self.read(Self.network, child: wrong).findings.first { $0.severity == .error }
    #expect(error?.code == .malformed)
    #expect(
      error?.path
        == "values.root_module.child_modules[0].child_modules[0].resources[1].values.private_ip")
  }

  @Test func plansAreNoStates() {
    let result = AWSImport.read(texts: [
      (name: "plan.json", text: #"{"format_version":"1.2","planned_values":{"root_module":{}}}"#)
    ])
    #expect(result.findings.map(\.code) == [.unreadable])
  }
}
