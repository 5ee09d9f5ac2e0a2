import Foundation

@testable import VhostBroker

/// What a test cannot do without.
struct Missing: Error {
  let what: String
  init(_ what: String) { self.what = what }
}

/// A guest's memory: one region in a memory file, somewhere behind its beginning.
struct GuestMemory {
  static let size: UInt64 = 64 << 10
  static let userAddress: UInt64 = 0x7f00_0000_0000
  static let fileOffset: UInt64 = 4096
  /// Where ring 0 has its used ring; that of ring n is n * 0x1000 further.
  static let usedRing: UInt64 = userAddress + 0x2000

  let file: Descriptor

  init() throws { file = try memoryFile(bytes: Self.fileOffset + Self.size) }

  func setUsedIndex(_ index: UInt16, ring: UInt64 = 0) {
    var index = index
    let place = Self.usedRing - Self.userAddress + ring * 0x1000 + 2
    _ = pwrite(file.raw, &index, 2, off_t(Self.fileOffset + place))
  }

  var table: Message { Self.table([(0, Self.size, Self.userAddress, Self.fileOffset)], [file]) }

  typealias Region = (guest: UInt64, size: UInt64, user: UInt64, offset: UInt64)

  static func table(_ regions: [Region], _ files: [Descriptor], count: Int? = nil) -> Message {
    var payload = Message.bytes(UInt64(count ?? regions.count))
    for region in regions {
      for word in [region.guest, region.size, region.user, region.offset] {
        payload += Message.bytes(word)
      }
    }
    return Message(.setMemoryTable, payload: payload, descriptors: files)
  }

  /// SET_VRING_ADDR.
  static func address(
    ring: UInt32, used: UInt64? = nil, flags: UInt32 = 0
  ) -> Message {
    let used = used ?? usedRing + UInt64(ring) * 0x1000
    var payload = Message.bytes(ring) + Message.bytes(flags)
    for word in [userAddress, used, userAddress + 0x1000, 0] { payload += Message.bytes(word) }
    return Message(.setRingAddress, payload: payload)
  }
}

/// A memory file; its name is seen in /proc/self/fd.
func memoryFile(bytes: UInt64, name: String = "guest") throws -> Descriptor {
  typealias Create = @convention(c) (UnsafePointer<CChar>, UInt32) -> Int32
  // Glibc's header hides it from Swift.
  guard let symbol = dlsym(nil, "memfd_create") else { throw Missing("memfd_create") }
  let create = unsafeBitCast(symbol, to: Create.self)
  // MFD_CLOEXEC, MFD_ALLOW_SEALING.
  let raw = create(name, 1 | 2)
  guard raw >= 0, ftruncate(raw, off_t(bytes)) == 0 else { throw Missing("a memory file") }
  return Descriptor(raw)
}
