/// Resources in the shape of `terraform show -json`.
extension TerraformTests {
  static func resource(_ type: String, _ name: String, _ values: String) -> String {
    """
    {"address":"\(type).\(name)","mode":"managed","type":"\(type)","name":"\(name)",\
    "provider_name":"registry.terraform.io/hashicorp/aws","schema_version":1,\
    "values":{\(values)},"sensitive_values":{}}
    """
  }

  static func state(_ root: [String], child: [String] = []) -> String {
    """
    {"format_version":"1.0","terraform_version":"1.9.5","values":{"outputs":{"x":{"value":[1]}},\
    "root_module":{"resources":\(Shape.list(root)),\
    "child_modules":[{"address":"module.a","child_modules":[{"address":"module.a.module.b",\
    "resources":\(Shape.list(child))}]}]}}}
    """
  }

  static let rule = """
    "cidr_blocks":["0.0.0.0/0"],"description":"","from_port":0,"ipv6_cidr_blocks":[],\
    "prefix_list_ids":[],"protocol":"-1","security_groups":[],"self":false,"to_port":0
    """

  static let network = [
    resource(
      "aws_vpc", "main",
      """
      "id":"vpc-1","cidr_block":"10.0.0.0/16","ipv6_cidr_block":"2001:db8:1234:1a00::/56",\
      "main_route_table_id":"rtb-main","default_network_acl_id":"acl-default",\
      "default_security_group_id":"sg-default"
      """),
    resource(
      "aws_subnet", "public",
      """
      "id":"subnet-public","vpc_id":"vpc-1","cidr_block":"10.0.1.0/24",\
      "ipv6_cidr_block":"2001:db8:1234:1a01::/64"
      """),
    resource(
      "aws_subnet", "private",
      """
      "id":"subnet-private","vpc_id":"vpc-1","cidr_block":"10.0.2.0/24",\
      "ipv6_cidr_block":"2001:db8:1234:1a02::/64"
      """),
    resource("aws_internet_gateway", "main", #""id":"igw-1","vpc_id":"vpc-1""#),
    resource(
      "aws_default_route_table", "main",
      #""id":"rtb-main","vpc_id":"vpc-1","route":[],"propagating_vgws":[]"#),
    resource(
      "aws_route_table", "public",
      """
      "id":"rtb-public","vpc_id":"vpc-1","propagating_vgws":[],"route":[{"cidr_block":"0.0.0.0/0",\
      "gateway_id":"igw-1","ipv6_cidr_block":"","destination_prefix_list_id":"",\
      "nat_gateway_id":"","network_interface_id":"","transit_gateway_id":"",\
      "vpc_peering_connection_id":""}]
      """),
    resource(
      "aws_route", "again",
      """
      "id":"r-1","route_table_id":"rtb-public","destination_cidr_block":"0.0.0.0/0",\
      "gateway_id":"igw-1","state":"active","origin":"CreateRoute"
      """),
    resource(
      "aws_route", "v6",
      """
      "id":"r-2","route_table_id":"rtb-public","destination_ipv6_cidr_block":"::/0",\
      "destination_cidr_block":"","gateway_id":"igw-1","state":"active"
      """),
    resource(
      "aws_route_table_association", "public",
      #""id":"rtbassoc-1","route_table_id":"rtb-public","subnet_id":"subnet-public","gateway_id":"""#
    ),
    resource(
      "aws_default_network_acl", "main",
      """
      "id":"acl-default","vpc_id":"vpc-1","subnet_ids":["subnet-private","subnet-public"],\
      "ingress":[\(entry(100, "0.0.0.0/0", "")),\(entry(101, "", "::/0"))],\
      "egress":[\(entry(100, "0.0.0.0/0", "")),\(entry(101, "", "::/0"))]
      """),
    resource("aws_s3_bucket", "logs", #""id":"logs""#),
  ]

  static func entry(_ number: Int, _ v4: String, _ v6: String) -> String {
    """
    {"action":"allow","cidr_block":"\(v4)","from_port":0,"icmp_code":0,"icmp_type":0,\
    "ipv6_cidr_block":"\(v6)","protocol":"-1","rule_no":\(number),"to_port":0}
    """
  }

  static let guests = [
    resource(
      "aws_network_interface", "web",
      """
      "id":"eni-web","subnet_id":"subnet-public","mac_address":"0a:00:00:68:58:e7",\
      "private_ip":"10.0.1.10","private_ips":["10.0.1.10"],"source_dest_check":true,\
      "ipv6_addresses":["2001:db8:1234:1a01::a"],"security_groups":["sg-web"],\
      "interface_type":"interface","attachment":[]
      """),
    resource(
      "aws_network_interface", "data",
      """
      "id":"eni-data","subnet_id":"subnet-private","mac_address":"0a:00:00:9a:14:77",\
      "private_ip":"10.0.2.20","private_ips":["10.0.2.20"],"source_dest_check":true,\
      "ipv6_addresses":["2001:db8:1234:1a02::b"],"security_groups":["sg-data"],\
      "interface_type":"interface","attachment":[]
      """),
    resource(
      "aws_eip", "web",
      """
      "id":"eipalloc-1","allocation_id":"eipalloc-1","public_ip":"203.0.113.10",\
      "network_interface":"eni-web","private_ip":"10.0.1.10","instance":""
      """),
    resource(
      "aws_security_group", "web",
      #""id":"sg-web","vpc_id":"vpc-1","name":"web","ingress":[],"egress":[{\#(rule)}]"#),
    resource(
      "aws_security_group", "data",
      #""id":"sg-data","vpc_id":"vpc-1","name":"data","ingress":[],"egress":[{\#(rule)}]"#),
  ]
}
