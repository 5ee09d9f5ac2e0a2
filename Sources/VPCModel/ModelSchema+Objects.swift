extension ModelSchema {
  /// The definitions of objects, and the end of the document.
  static let objects = #"""
        "host": {
          "type": "object",
          "description": "This hypervisor on the underlay.",
          "properties": {
            "address": {"$ref": "#/$defs/address", "description": "Tunnel endpoint, IPv4 or \#
    IPv6."},
            "mac": {"$ref": "#/$defs/mac", "description": "Source of frames on the underlay."},
            "gatewayMAC": {
              "$ref": "#/$defs/mac",
              "description": "Next hop for underlay addresses outside the link."
            },
            "encapsulation": {
              "enum": ["geneve", "vxlan"],
              "default": "geneve",
              "description": "How packets leave: Geneve on UDP 6081 or VXLAN on UDP 4789; both \#
    are always decapsulated."
            },
            "mtu": {
              "type": "integer",
              "minimum": 576,
              "maximum": 65535,
              "description": "The underlay's IP MTU in bytes; at least 1350 if the underlay is \#
    IPv6.",
              "default": 1500
            }
          },
          "additionalProperties": false,
          "required": ["address", "mac", "gatewayMAC"]
        },
        "vpc": {
          "type": "object",
          "description": "A virtual network.",
          "properties": {
            "id": {"$ref": "#/$defs/id", "description": "Its id."},
            "vni": {"$ref": "#/$defs/vni", "description": "Its identifier in tunnels, unique."},
            "cidrs": {
              "type": "array",
              "items": {"$ref": "#/$defs/cidr"},
              "description": "Its address space; always routed as local. The blocks must not \#
    overlap.",
              "minItems": 1
            }
          },
          "additionalProperties": false,
          "required": ["id", "vni", "cidrs"]
        },
        "subnet": {
          "type": "object",
          "description": "Part of a VPC's address space.",
          "properties": {
            "id": {"$ref": "#/$defs/id", "description": "Its id."},
            "vpc": {"$ref": "#/$defs/id", "description": "The VPC it is part of."},
            "cidrs": {
              "type": "array",
              "items": {"$ref": "#/$defs/cidr"},
              "description": "Its blocks, inside the VPC's; first address + 1 is the router.",
              "minItems": 1
            },
            "routeTable": {
              "$ref": "#/$defs/id",
              "description": "Its route table; without one only local routes exist."
            },
            "networkACL": {
              "$ref": "#/$defs/id",
              "description": "Its network ACL; without one everything is allowed."
            }
          },
          "additionalProperties": false,
          "required": ["id", "vpc", "cidrs"]
        },
        "networkInterface": {
          "type": "object",
          "description": "A NIC on this host.",
          "properties": {
            "id": {"$ref": "#/$defs/id", "description": "Its id."},
            "subnet": {"$ref": "#/$defs/id", "description": "The subnet it is in."},
            "mac": {"$ref": "#/$defs/mac", "description": "Its MAC address."},
            "addresses": {
              "type": "array",
              "items": {"$ref": "#/$defs/address"},
              "description": "Its addresses; the first of each family is primary.",
              "minItems": 1
            },
            "securityGroups": {
              "type": ["array", "null"],
              "items": {"$ref": "#/$defs/id"},
              "uniqueItems": true,
              "description": "Its security groups, in order; without any, nothing is allowed."
            },
            "sourceDestCheck": {
              "type": "boolean",
              "default": true,
              "description": "Whether it may only send from and receive at its own addresses."
            },
            "publicAddresses": {
              "type": ["object", "null"],
              "additionalProperties": {"$ref": "#/$defs/address"},
              "description": "Public IPv4 address of each private one, used by routes to an \#
    internet gateway."
            },
            "connectionTracking": {
              "anyOf": [{"$ref": "#/$defs/connectionTracking"}, {"type": "null"}],
              "description": "Idle timeouts of its connections."
            },
            "limits": {
              "anyOf": [{"$ref": "#/$defs/limits"}, {"type": "null"}],
              "description": "Its allowances; absent is unlimited."
            }
          },
          "additionalProperties": false,
          "required": ["id", "subnet", "mac", "addresses"]
        },
        "connectionTracking": {
          "type": "object",
          "description": "Idle timeouts.",
          "properties": {
            "tcpEstablished": {
              "$ref": "#/$defs/duration",
              "default": "432000s",
              "description": "Established TCP connections; AWS allows 60 s to 432000 s."
            },
            "udp": {
              "$ref": "#/$defs/duration",
              "default": "30s",
              "description": "UDP with one request or answer; AWS allows 30 s to 60 s."
            },
            "udpStream": {
              "$ref": "#/$defs/duration",
              "default": "180s",
              "description": "UDP with more than one request and answer; AWS allows 60 s to 180 s."
            }
          },
          "additionalProperties": false
        },
        "limits": {
          "type": "object",
          "description": "Allowances of a NIC.",
          "properties": {
            "bandwidthIn": {"$ref": "#/$defs/bandwidth", "description": "To the guest."},
            "bandwidthOut": {"$ref": "#/$defs/bandwidth", "description": "From the guest."},
            "burst": {
              "$ref": "#/$defs/size",
              "description": "Depth of the bucket of each direction; absent is one second's worth."
            },
            "packetsPerSecond": {
              "type": "integer",
              "minimum": 1,
              "maximum": 1000000000000,
              "description": "Packets of both directions together."
            },
            "connections": {
              "type": "integer",
              "minimum": 0,
              "maximum": 4294967295,
              "description": "Tracked connections."
            },
            "connectionsPerSecond": {
              "type": "integer",
              "minimum": 1,
              "maximum": 1000000000000,
              "description": "New tracked connections."
            },
            "linkLocalPacketsPerSecond": {
              "type": "integer",
              "minimum": 1,
              "maximum": 1000000000000,
              "description": "Packets to link-local addresses and services.",
              "default": 1024
            }
          },
          "additionalProperties": false
        },
        "securityGroup": {
          "type": "object",
          "description": "Stateful allow rules.",
          "properties": {
            "id": {"$ref": "#/$defs/id", "description": "Its id."},
            "vpc": {"$ref": "#/$defs/id", "description": "Its VPC."},
            "ingress": {
              "type": ["array", "null"],
              "items": {"$ref": "#/$defs/ingressRule"},
              "description": "What may reach the NICs of the group; absent is nothing."
            },
            "egress": {
              "type": "array",
              "items": {"$ref": "#/$defs/egressRule"},
              "description": "What the NICs of the group may reach; absent is everything, an \#
    empty list nothing."
            }
          },
          "additionalProperties": false,
          "required": ["id", "vpc"]
        },
        "ingressRule": {
          "type": "object",
          "description": "Allows traffic to the NICs of a group.",
          "properties": {
            "id": {
              "type": "string",
              "description": "The rule's name in verdicts and counters; the default is \#
    GROUP/ingress/N or GROUP/egress/N, with N from 0.",
              "minLength": 1,
              "maxLength": 255
            },
            "protocol": {
              "$ref": "#/$defs/protocol",
              "description": "The transport protocol; `all` is every protocol."
            },
            "ports": {
              "$ref": "#/$defs/ports",
              "description": "Destination ports of tcp, udp and sctp; absent is all ports."
            },
            "type": {
              "$ref": "#/$defs/icmpNumber",
              "description": "ICMP or ICMPv6 type; absent is any. Only with icmp and icmpv6."
            },
            "code": {
              "$ref": "#/$defs/icmpNumber",
              "description": "ICMP or ICMPv6 code; absent is any. Only with a type."
            },
            "from": {"$ref": "#/$defs/peers", "description": "Who may send."}
          },
          "additionalProperties": false,
          "required": ["protocol", "from"]
        },
        "egressRule": {
          "type": "object",
          "description": "Allows traffic from the NICs of a group.",
          "properties": {
            "id": {
              "type": "string",
              "description": "The rule's name in verdicts and counters; the default is \#
    GROUP/ingress/N or GROUP/egress/N, with N from 0.",
              "minLength": 1,
              "maxLength": 255
            },
            "protocol": {
              "$ref": "#/$defs/protocol",
              "description": "The transport protocol; `all` is every protocol."
            },
            "ports": {
              "$ref": "#/$defs/ports",
              "description": "Destination ports of tcp, udp and sctp; absent is all ports."
            },
            "type": {
              "$ref": "#/$defs/icmpNumber",
              "description": "ICMP or ICMPv6 type; absent is any. Only with icmp and icmpv6."
            },
            "code": {
              "$ref": "#/$defs/icmpNumber",
              "description": "ICMP or ICMPv6 code; absent is any. Only with a type."
            },
            "to": {"$ref": "#/$defs/peers", "description": "Who may be reached."}
          },
          "additionalProperties": false,
          "required": ["protocol", "to"]
        },
        "prefixList": {
          "type": "object",
          "description": "A named list of CIDR blocks.",
          "properties": {
            "id": {"$ref": "#/$defs/id", "description": "Its id."},
            "entries": {
              "type": ["array", "null"],
              "items": {"$ref": "#/$defs/cidr"},
              "description": "Its blocks."
            }
          },
          "additionalProperties": false,
          "required": ["id", "entries"]
        },
        "networkACL": {
          "type": "object",
          "description": "Stateless rules of subnets.",
          "properties": {
            "id": {"$ref": "#/$defs/id", "description": "Its id."},
            "vpc": {"$ref": "#/$defs/id", "description": "Its VPC."},
            "ingress": {
              "type": ["array", "null"],
              "items": {"$ref": "#/$defs/networkACLRule"},
              "description": "Judges packets that enter a subnet; absent denies all."
            },
            "egress": {
              "type": ["array", "null"],
              "items": {"$ref": "#/$defs/networkACLRule"},
              "description": "Judges packets that leave a subnet; absent denies all."
            }
          },
          "additionalProperties": false,
          "required": ["id", "vpc"]
        },
        "networkACLRule": {
          "type": "object",
          "description": "Allows or denies packets; the matching rule with the lowest number \#
    decides.",
          "properties": {
            "id": {
              "type": "string",
              "description": "The rule's name in verdicts and counters; the default is \#
    ACL/ingress/RULE or ACL/egress/RULE.",
              "minLength": 1,
              "maxLength": 255
            },
            "rule": {
              "type": "integer",
              "minimum": 1,
              "maximum": 32766,
              "description": "Its number, unique in its direction."
            },
            "action": {"enum": ["allow", "deny"], "description": "What happens to a packet that \#
    matches."},
            "protocol": {
              "$ref": "#/$defs/protocol",
              "description": "The transport protocol; `all` is every protocol."
            },
            "ports": {
              "$ref": "#/$defs/ports",
              "description": "Destination ports of tcp, udp and sctp; absent is all ports."
            },
            "type": {
              "$ref": "#/$defs/icmpNumber",
              "description": "ICMP or ICMPv6 type; absent is any. Only with icmp and icmpv6."
            },
            "code": {
              "$ref": "#/$defs/icmpNumber",
              "description": "ICMP or ICMPv6 code; absent is any. Only with a type."
            },
            "cidr": {
              "$ref": "#/$defs/cidr",
              "description": "The remote address: source of ingress packets, destination of \#
    egress packets."
            }
          },
          "additionalProperties": false,
          "required": ["rule", "action", "protocol", "cidr"]
        },
        "routeTable": {
          "type": "object",
          "description": "Routes; the VPC's own CIDR blocks are always local.",
          "properties": {
            "id": {"$ref": "#/$defs/id", "description": "Its id."},
            "vpc": {"$ref": "#/$defs/id", "description": "Its VPC."},
            "routes": {
              "type": ["array", "null"],
              "items": {"$ref": "#/$defs/route"},
              "description": "Its routes; the longest prefix decides."
            }
          },
          "additionalProperties": false,
          "required": ["id", "vpc"]
        },
        "route": {
          "type": "object",
          "description": "Where packets to some addresses go.",
          "properties": {
            "id": {
              "$ref": "#/$defs/id",
              "description": "Its name in verdicts; TABLE/PREFIX without one."
            },
            "to": {
              "type": "string",
              "description": "A CIDR block or the id of a prefix list.",
              "minLength": 1
            },
            "via": {
              "type": "string",
              "description": "The id of an internet gateway, peering or NIC, or `blackhole`.",
              "minLength": 1
            }
          },
          "additionalProperties": false,
          "required": ["to", "via"]
        },
        "internetGateway": {
          "type": "object",
          "description": "The edge that takes a VPC's internet traffic.",
          "properties": {
            "id": {"$ref": "#/$defs/id", "description": "Its id."},
            "vpc": {"$ref": "#/$defs/id", "description": "Its VPC."},
            "host": {
              "$ref": "#/$defs/address",
              "description": "The edge's tunnel endpoint, of the family of this host's address."
            },
            "vni": {
              "$ref": "#/$defs/vni",
              "description": "The identifier of its tunnel; not that of a VPC."
            }
          },
          "additionalProperties": false,
          "required": ["id", "vpc", "host", "vni"]
        },
        "peering": {
          "type": "object",
          "description": "Two VPCs, without overlapping CIDR blocks, that may route to each \#
    other.",
          "properties": {
            "id": {"$ref": "#/$defs/id", "description": "Its id."},
            "vpcs": {
              "type": "array",
              "items": {"$ref": "#/$defs/id"},
              "description": "The two VPCs.",
              "minItems": 2,
              "maxItems": 2,
              "uniqueItems": true
            }
          },
          "additionalProperties": false,
          "required": ["id", "vpcs"]
        },
        "mapping": {
          "type": "object",
          "description": "Where an address of another host's NIC lives.",
          "properties": {
            "vpc": {"$ref": "#/$defs/id", "description": "The VPC of the address."},
            "address": {"$ref": "#/$defs/address", "description": "The NIC's address."},
            "host": {
              "$ref": "#/$defs/address",
              "description": "Tunnel endpoint of the other host, of the family of this host's \#
    address."
            },
            "mac": {"$ref": "#/$defs/mac", "description": "The NIC's MAC address."}
          },
          "additionalProperties": false,
          "required": ["vpc", "address", "host", "mac"]
        },
        "policy": {
          "type": "object",
          "description": "Choices for the whole host.",
          "properties": {
            "midstream": {
              "enum": ["evaluate", "drop"],
              "default": "evaluate",
              "description": "What happens to a TCP packet without SYN and without a connection."
            },
            "onRuleChange": {
              "enum": ["keep", "cut"],
              "default": "keep",
              "description": "What happens to tracked connections whose rule is gone."
            }
          },
          "additionalProperties": false
        }
      }
    }
    """#
}
