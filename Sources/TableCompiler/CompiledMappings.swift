import Tables
import Wire

/// The mappings of a generation, without the rest of it: what keeps this keeps no rules.
public struct CompiledMappings: Sendable {
  let image: LocationImage

  /// The MAC address of a mapping.
  ///
  /// - Parameter scope: the index of the VPC in the model.
  /// - Complexity: constant.
  public func hardwareAddress(scope: Int, _ address: IPAddress) -> MACAddress? {
    let found = image.addresses.lookup(scope: UInt32(truncatingIfNeeded: scope), address)
    guard found != .none, Location(bits: found).isMapping else { return nil }
    return image.mappings[Location(bits: found).index].mac
  }
}
