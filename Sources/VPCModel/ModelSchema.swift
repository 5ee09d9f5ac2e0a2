/// The format of model files for editors and other tools.
public enum ModelSchema {
  /// JSON Schema, draft 2020-12.
  ///
  /// It describes the structure; references, addresses and overlaps are checked by `ModelLoader`.
  public static let json = document + objects

  /// The sections of a document, and the definitions of values.
  private static let document = #"""
    {
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "title": "Apus VPC model",
      "description": "The desired state of one host's VPC networking. Every section is \#
    optional; several files are merged.",
      "type": ["object", "null"],
      "additionalProperties": false,
      "properties": {
        "version": {"const": 1, "description": "Version of this format."},
        "host": {
          "anyOf": [{"$ref": "#/$defs/host"}, {"type": "null"}],
          "description": "This hypervisor on the underlay; in one file only."
        },
        "vpcs": {
          "type": ["array", "null"],
          "items": {"$ref": "#/$defs/vpc"},
          "description": "Virtual networks."
        },
        "subnets": {
          "type": ["array", "null"],
          "items": {"$ref": "#/$defs/subnet"},
          "description": "Parts of a VPC's address space."
        },
        "networkInterfaces": {
          "type": ["array", "null"],
          "items": {"$ref": "#/$defs/networkInterface"},
          "description": "The NICs on this host."
        },
        "securityGroups": {
          "type": ["array", "null"],
          "items": {"$ref": "#/$defs/securityGroup"},
          "description": "Stateful allow rules that NICs share."
        },
        "prefixLists": {
          "type": ["array", "null"],
          "items": {"$ref": "#/$defs/prefixList"},
          "description": "Named lists of CIDR blocks."
        },
        "networkACLs": {
          "type": ["array", "null"],
          "items": {"$ref": "#/$defs/networkACL"},
          "description": "Stateless, ordered rules of subnets."
        },
        "routeTables": {
          "type": ["array", "null"],
          "items": {"$ref": "#/$defs/routeTable"},
          "description": "Routes of subnets."
        },
        "internetGateways": {
          "type": ["array", "null"],
          "items": {"$ref": "#/$defs/internetGateway"},
          "description": "Edges that take a VPC's internet traffic."
        },
        "peerings": {
          "type": ["array", "null"],
          "items": {"$ref": "#/$defs/peering"},
          "description": "Pairs of VPCs that may route to each other."
        },
        "mappings": {
          "type": ["array", "null"],
          "items": {"$ref": "#/$defs/mapping"},
          "description": "Addresses of NICs on other hosts."
        },
        "policy": {
          "anyOf": [{"$ref": "#/$defs/policy"}, {"type": "null"}],
          "description": "Choices for the whole host; in one file only."
        }
      },
      "$defs": {
        "id": {
          "type": "string",
          "description": "The name of an object: printable, without spaces and slashes.",
          "minLength": 1,
          "maxLength": 255,
          "pattern": "^[^\\s/]+$"
        },
        "address": {
          "type": "string",
          "description": "An IPv4 or IPv6 address.",
          "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]
        },
        "cidr": {
          "type": "string",
          "description": "An address, a slash and a prefix length; host bits are cleared.",
          "pattern": "^[0-9A-Fa-f:.]+/[0-9]{1,3}$"
        },
        "mac": {
          "type": "string",
          "description": "Six hexadecimal bytes between colons.",
          "pattern": "^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$"
        },
        "vni": {
          "type": "integer",
          "minimum": 0,
          "maximum": 16777215,
          "description": "Virtual network identifier, 24 bits."
        },
        "duration": {
          "type": "string",
          "description": "A number and one of the units ns, us, ms, s, m, h, d.",
          "pattern": "^[0-9]+(\\.[0-9]+)?(ns|us|ms|s|m|h|d)$"
        },
        "bandwidth": {
          "type": "string",
          "description": "A number and one of the decimal units bps, kbps, Mbps, Gbps, Tbps.",
          "pattern": "^[0-9]+(\\.[0-9]+)?([kKMGT]?bps)$"
        },
        "size": {
          "description": "Bytes, or a number and one of the units B, kB, MB, GB (decimal), KiB, \#
    MiB, GiB (binary).",
          "oneOf": [
            {"type": "integer", "minimum": 1},
            {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?(B|[kK]B|MB|GB|[kK]iB|MiB|GiB)?$"}
          ]
        },
        "protocol": {
          "description": "`all`, a name, or a protocol number.",
          "oneOf": [
            {"enum": ["all", "tcp", "udp", "icmp", "icmpv6", "sctp"]},
            {"type": "integer", "minimum": 0, "maximum": 255},
            {"type": "string", "pattern": "^[0-9]{1,3}$"}
          ]
        },
        "port": {
          "description": "A port, or a range such as 80-90.",
          "oneOf": [
            {"type": "integer", "minimum": 0, "maximum": 65535},
            {"type": "string", "pattern": "^[0-9]{1,5}(-[0-9]{1,5})?$"}
          ]
        },
        "ports": {
          "description": "A port, a range, or a list of both.",
          "anyOf": [
            {"$ref": "#/$defs/port"},
            {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/port"}}
          ]
        },
        "icmpNumber": {
          "description": "`any` or a number.",
          "oneOf": [
            {"const": "any"},
            {"type": "integer", "minimum": 0, "maximum": 255},
            {"type": "string", "pattern": "^[0-9]{1,3}$"}
          ]
        },
        "peer": {
          "type": "string",
          "description": "A CIDR block, the id of a security group of the same or a peered VPC, \#
    or the id of a prefix list.",
          "minLength": 1
        },
        "peers": {
          "description": "One peer or a list of them.",
          "anyOf": [{"$ref": "#/$defs/peer"}, {"type": "array", "items": {"$ref": "#/$defs/peer"}}]
        },

    """#
}
