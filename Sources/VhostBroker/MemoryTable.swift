import CFileDescriptors
import Glibc

/// The guest's memory: the regions of VHOST_USER_SET_MEM_TABLE and the files behind them.
struct MemoryTable {
  /// Without CONFIGURE_MEM_SLOTS a front-end has eight.
  static let regionLimit = 8
  static let regionSize = 32

  struct Region {
    /// Where the guest sees it.
    var guestAddress: UInt64
    /// Bytes.
    var size: UInt64
    /// Where the front-end has it; addresses of rings are of this kind.
    var userAddress: UInt64
    /// Where it begins in its file, in bytes.
    var fileOffset: UInt64
    var file: Descriptor

    /// Neither addresses nor the offset go around.
    fileprivate var isBounded: Bool {
      size > 0 && !guestAddress.addingReportingOverflow(size).overflow
        && !userAddress.addingReportingOverflow(size).overflow
        && !fileOffset.addingReportingOverflow(size).overflow
    }

    fileprivate func overlaps(_ other: Region) -> Bool {
      let guest =
        guestAddress < other.guestAddress + other.size && other.guestAddress < guestAddress + size
      let user =
        userAddress < other.userAddress + other.size && other.userAddress < userAddress + size
      return guest || user
    }
  }

  var regions: [Region]

  /// Reads a table.
  /// - Throws: what is wrong with it. Its number of regions is that of its descriptors and fits its
  ///   size; no region is empty, overflows, overlaps another or exceeds its file: a process that
  ///   maps it would be killed by its first access past the end.
  init(_ message: Message) throws(MessageError) {
    let count = Int(message.word(0))
    guard (1...Self.regionLimit).contains(count) else { throw .regionCount(count) }
    guard message.payload.count == 8 + count * Self.regionSize else {
      throw .payloadSize(message.payload.count)
    }
    guard message.descriptors.count == count else {
      throw .descriptorCount(message.descriptors.count)
    }
    regions = []
    for index in 0..<count {
      let start = 8 + index * Self.regionSize
      let region = Region(
        guestAddress: message.long(start), size: message.long(start + 8),
        userAddress: message.long(start + 16), fileOffset: message.long(start + 24),
        file: message.descriptors[index])
      guard region.isBounded else { throw .region(index, "is empty or overflows") }
      guard !regions.contains(where: region.overlaps) else { throw .region(index, "overlaps") }
      guard let size = region.file.fileSize else { throw .region(index, "is no file of memory") }
      guard region.fileOffset + region.size <= size else {
        throw .region(index, "is longer than its file")
      }
      regions.append(region)
    }
  }

  /// Forbids that the files shrink under those who map them, where they can be sealed.
  /// - Returns: whether all are sealed.
  func seal() -> Bool { regions.allSatisfy { apus_seal_size($0.file.raw) == 0 } }

  /// The used index of a split ring (virtio 1.2, 2.7.8), read from the file: a region that the
  /// front-end cuts short meanwhile gives nil, not a signal.
  /// - Parameter userAddress: of the used ring, in the front-end's address space.
  func usedIndex(userAddress: UInt64) -> UInt16? {
    let (address, overflow) = userAddress.addingReportingOverflow(2)
    guard !overflow, address & 1 == 0 else { return nil }
    for region in regions where address >= region.userAddress {
      let inside = address - region.userAddress
      guard inside < region.size, region.size - inside >= 2 else { continue }
      guard let offset = off_t(exactly: region.fileOffset + inside) else { return nil }
      var index: UInt16 = 0
      return pread(region.file.raw, &index, 2, offset) == 2 ? index : nil
    }
    return nil
  }
}
