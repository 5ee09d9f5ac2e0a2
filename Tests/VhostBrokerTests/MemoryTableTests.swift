import Foundation
import Testing

@testable import VhostBroker

/// The table of the guest's memory, and the used index in it.
@Suite struct MemoryTableTests {
  private func error(_ message: Message) -> MessageError? {
    do throws(MessageError) {
      _ = try MemoryTable(message)
      return nil
    } catch {
      return error
    }
  }

  @Test("V-08: regions that overlap, overflow or exceed their file are refused")
  func hostileRegionsAreRefused() throws {
    let file = try memoryFile(bytes: 8192)
    func one(_ region: GuestMemory.Region) -> MessageError? {
      error(GuestMemory.table([region], [file]))
    }
    #expect(one((0, 8192, 0, 0)) == nil)
    #expect(one((0, 0, 0, 0)) == .region(0, "is empty or overflows"))
    #expect(one((.max, 2, 0, 0)) == .region(0, "is empty or overflows"))
    #expect(one((0, 2, .max, 0)) == .region(0, "is empty or overflows"))
    #expect(one((0, 2, 0, .max)) == .region(0, "is empty or overflows"))
    #expect(one((0, 8193, 0, 0)) == .region(0, "is longer than its file"))
    #expect(one((0, 4097, 0, 4096)) == .region(0, "is longer than its file"))
    #expect(one((0, 1 << 30, 0, 0)) == .region(0, "is longer than its file"))
    let apart: [GuestMemory.Region] = [(0, 4096, 0, 0), (4096, 4096, 4096, 4096)]
    #expect(error(GuestMemory.table(apart, [file, file])) == nil)
    for second in [(4095, 4096, 1 << 20, 0), (1 << 20, 4096, 4095, 0)] as [GuestMemory.Region] {
      let table = GuestMemory.table([(0, 4096, 0, 0), second], [file, file])
      #expect(error(table) == .region(1, "overlaps"))
    }
  }

  @Test func numberOfRegionsMustFit() throws {
    let file = try memoryFile(bytes: 8192)
    #expect(error(GuestMemory.table([], [])) == .regionCount(0))
    let nine = (0..<9).map { (UInt64($0) << 20, 4096, UInt64($0) << 20, 0) as GuestMemory.Region }
    let files = [Descriptor](repeating: file, count: 9)
    #expect(error(GuestMemory.table(nine, files)) == .regionCount(9))
    #expect(error(GuestMemory.table([nine[0]], [file], count: 2)) == .payloadSize(40))
    #expect(error(GuestMemory.table(Array(nine[..<8]), Array(files[..<8]))) == nil)
  }

  @Test("V-08: a region must be a file of memory")
  func regionMustBeAFile() throws {
    var ends: [Int32] = [-1, -1]
    #expect(pipe(&ends) == 0)
    let pipes = ends.map(Descriptor.init)
    let folder = Descriptor(open("/tmp", O_RDONLY | O_CLOEXEC))
    for file in [pipes[0], folder] {
      let table = GuestMemory.table([(0, 1, 0, 0)], [file])
      #expect(error(table) == .region(0, "is no file of memory"))
    }
  }

  @Test func usedIndexIsReadWhereTheRingIs() throws {
    let memory = try GuestMemory()
    let table = try MemoryTable(memory.table)
    for index in [0, 1, 0x1234, UInt16.max] {
      memory.setUsedIndex(index)
      #expect(table.usedIndex(userAddress: GuestMemory.usedRing) == index)
    }
    #expect(table.usedIndex(userAddress: GuestMemory.userAddress + GuestMemory.size - 4) == 0)
  }

  static let hostileAddresses: [UInt64] = [
    0, 1, .max, .max - 1, .max - 2, GuestMemory.userAddress - 4,
    GuestMemory.usedRing + 1, GuestMemory.userAddress + GuestMemory.size - 2,
    GuestMemory.userAddress + GuestMemory.size, GuestMemory.userAddress + GuestMemory.size + 100,
  ]

  @Test(arguments: hostileAddresses)
  func hostileAddressGivesNothing(_ address: UInt64) throws {
    let table = try MemoryTable(try GuestMemory().table)
    #expect(table.usedIndex(userAddress: address) == nil)
  }

  @Test("V-08: a file cut short gives nothing")
  func fileCutShortGivesNothing() throws {
    let memory = try GuestMemory()
    let table = try MemoryTable(memory.table)
    #expect(ftruncate(memory.file.raw, 100) == 0)
    #expect(table.usedIndex(userAddress: GuestMemory.usedRing) == nil)
  }

  @Test("V-08: a sealed file cannot be cut short")
  func sealedFileCannotBeCutShort() throws {
    let memory = try GuestMemory()
    let table = try MemoryTable(memory.table)
    #expect(table.seal())
    #expect(ftruncate(memory.file.raw, 100) != 0)
    #expect(table.seal())
  }
}
