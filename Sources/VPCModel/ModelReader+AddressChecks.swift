import Wire

/// The blocks of all VPCs and subnets, for questions about addresses.
struct BlockIndexes {
  var subnets: [String: PrefixIndex] = [:]
  /// By VPC: the address of each subnet's router, and the subnet.
  var routers: [String: [IPAddress: String]] = [:]
}

/// Checks of CIDR blocks and addresses; all are O(n log n) over the files.
extension ModelReader {
  mutating func checkBlocks() -> BlockIndexes {
    var vpcBlocks: [String: [BlockFact]] = [:]
    var subnetBlocks: [String: [BlockFact]] = [:]
    for block in facts.blocks {
      if block.subnet == nil {
        vpcBlocks[block.vpc, default: []].append(block)
      } else {
        subnetBlocks[block.vpc, default: []].append(block)
      }
    }
    for blocks in vpcBlocks.values { checkOverlaps(blocks) }
    for blocks in subnetBlocks.values { checkOverlaps(blocks) }
    for (vpc, blocks) in subnetBlocks {
      guard let outer = vpcBlocks[vpc],
        !facts.incomplete.contains(Identifier(namespace: .vpcs, id: vpc))
      else { continue }
      let index = PrefixIndex(outer.map(\.prefix))
      for block in blocks where !index.contains(block.prefix) {
        fail(block.place, "`\(block.prefix)` is outside the CIDR blocks of `\(vpc)`")
      }
    }
    return indexes(subnetBlocks)
  }

  private mutating func checkOverlaps(_ blocks: [BlockFact]) {
    for pair in overlappingPairs(blocks.map(\.prefix)) {
      let (first, second) = (blocks[pair.first], blocks[pair.second])
      let owner = first.subnet.map { " of subnet `\($0)`" } ?? " of `\(first.vpc)`"
      fail(
        second.place,
        "`\(second.prefix)` overlaps `\(first.prefix)`\(owner) at \(text(first.place))")
    }
  }

  private func indexes(_ subnetBlocks: [String: [BlockFact]]) -> BlockIndexes {
    var result = BlockIndexes()
    var prefixes: [String: [IPPrefix]] = [:]
    for (vpc, blocks) in subnetBlocks {
      for block in blocks {
        guard let subnet = block.subnet else { continue }
        prefixes[subnet, default: []].append(block.prefix)
        let router = block.prefix.address.advanced(by: 1)
        if block.prefix.contains(router) {
          result.routers[vpc, default: [:]][router] = subnet
        }
      }
    }
    result.subnets = prefixes.mapValues { PrefixIndex($0) }
    return result
  }

  /// Peered VPCs must not overlap: an address would have two places.
  mutating func checkPeerings() {
    var blocks: [String: [BlockFact]] = [:]
    for block in facts.blocks where block.subnet == nil {
      blocks[block.vpc, default: []].append(block)
    }
    var seen: [Set<String>: Place] = [:]
    for peering in facts.peerings {
      let pair = Set(peering.vpcs)
      if let first = seen[pair] {
        fail(peering.place, "these VPCs are peered already, at \(text(first))")
        continue
      }
      seen[pair] = peering.place
      let both = peering.vpcs.flatMap { blocks[$0] ?? [] }
      for pair in overlappingPairs(both.map(\.prefix)) {
        let (first, second) = (both[pair.first], both[pair.second])
        guard first.vpc != second.vpc else { continue }
        fail(
          peering.place,
          "`\(first.prefix)` of `\(first.vpc)` at \(text(first.place)) overlaps"
            + " `\(second.prefix)` of `\(second.vpc)` at \(text(second.place))")
      }
    }
  }

  /// Every address is in its subnet, is not the router's, and is once in its VPC.
  mutating func checkAddresses(_ blocks: BlockIndexes) {
    var seen: [String: [IPAddress: Place]] = [:]
    for fact in facts.addresses {
      if case .subnet(let subnet) = fact.owner { checkSubnet(fact, subnet, blocks) }
      guard let vpc = facts.vpc(of: fact.owner) else { continue }
      if let subnet = blocks.routers[vpc]?[fact.address] {
        fail(fact.place, "`\(fact.address)` is the address of the router of subnet `\(subnet)`")
      }
      if let first = seen[vpc]?[fact.address] {
        fail(
          fact.place,
          "duplicate address `\(fact.address)` in `\(vpc)`; first at \(text(first))")
      } else {
        seen[vpc, default: [:]][fact.address] = fact.place
      }
    }
  }

  private mutating func checkSubnet(_ fact: AddressFact, _ subnet: String, _ blocks: BlockIndexes) {
    guard let index = blocks.subnets[subnet],
      !facts.incomplete.contains(Identifier(namespace: .subnets, id: subnet)),
      !index.contains(fact.address)
    else { return }
    fail(fact.place, "`\(fact.address)` is outside the CIDR blocks of subnet `\(subnet)`")
  }
}
