import Tables

/// The arenas that the pages of all generations' address maps stand in, with the mappings that
/// these lead to.
final class LocationArenas: Sendable {
  let v4: Arena<AddressSlotV4>
  let v6: Arena<AddressSlotV6>
  let mappings: Arena<MappingRecord>

  /// Mappings of a page take room in steps, so that the room that one leaves fits another.
  static let mappingStep = 64

  /// Room for every generation of a host: address space, of which only what is used takes memory.
  static func reserved() -> LocationArenas {
    LocationArenas(v4: 1 << 26, v6: 1 << 25, mappings: 1 << 26)
  }

  init(v4: Int, v6: Int, mappings: Int) {
    self.v4 = Arena(of: "slots for IPv4 addresses", capacity: v4)
    self.v6 = Arena(of: "slots for IPv6 addresses", capacity: v6)
    self.mappings = Arena(of: "mappings", capacity: mappings)
  }
}
