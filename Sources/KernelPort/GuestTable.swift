import CXDP
import HostPlan
import Live
import Synchronization

/// The opened ports of guests by number; they come and go while workers poll others.
///
/// Ports are opened and closed by one thread at a time; any thread may ask. What workers read of a
/// port is changed only while none of them polls it.
final class GuestTable: @unchecked Sendable {
  private struct State {
    var guests: [Int: GuestPort] = [:]
    /// Frames that the kernel had no room for; it forgets the number when it is asked.
    var missed: [Int: UInt64] = [:]
    /// Places that have memory already.
    var prepared: Set<Int> = []
  }

  private let state = Mutex(State())
  private let plan: HostPlan
  private let layout: BufferLayout
  private let workers: [WorkerSetup]
  private let memory: SetupMemory
  /// `PortOffloads` of each port.
  private let status: UnsafeMutablePointer<UInt8>
  private let opener: GuestOpener

  init(
    plan: HostPlan, layout: BufferLayout, workers: [WorkerSetup], memory: SetupMemory,
    status: UnsafeMutablePointer<UInt8>, opener: GuestOpener
  ) {
    self.plan = plan
    self.layout = layout
    self.workers = workers
    self.memory = memory
    self.status = status
    self.opener = opener
  }

  /// Opens a port at a place that has none and whose buffers are all home.
  func attach(_ guest: GuestPlan, port: Int) throws(PortError) {
    precondition((1...plan.portCapacity).contains(port))
    let opened = try GuestPort(guest, by: opener)
    state.withLock { state in
      precondition(state.guests[port] == nil, "a guest's port is opened twice")
      let isNew = state.prepared.insert(port).inserted
      for worker in workers {
        let buffers = plan.memory.buffersPerGuest
        if isNew {
          worker.prepare(
            port: port, queues: GuestTable.mostQueues, buffers: buffers, memory)
        }
        worker.fill(
          port: port, first: layout.firstNumber(port: port),
          count: WorkerSetup.share(
            of: guest, buffers: buffers, worker: worker.index, workers: workers.count))
        worker.serve(opened, port: port, workers: workers.count)
      }
      state.missed[port] = 0
      state.guests[port] = opened
      cxdp_store(status + port, opened.offloads().rawValue)
    }
  }

  /// Queues that a guest may have.
  private static let mostQueues = 64

  /// Closes a port that no worker polls or sends to any more. Packets that came by it may still be
  /// on their way.
  func detach(port: Int) {
    state.withLock { state in
      guard var guest = state.guests.removeValue(forKey: port) else { return }
      for worker in workers { worker.leave(port: port) }
      guest.shutDown()
      cxdp_store(status + port, 0)
    }
  }

  /// Whether all buffers of a port that was closed are home; their pages are given back then.
  func reclaim(port: Int) -> Bool {
    state.withLock { state in
      guard state.guests[port] == nil else { return false }
      let isHome = workers.allSatisfy {
        cxdp_load_counter(&$0.counters[port].buffersInUse) == 0
      }
      if isHome { layout.discardPages(port: port, workers: workers.count) }
      return isHome
    }
  }

  /// Looks again which ports are up, and opens sockets anew where an interface went and came back.
  func refresh() {
    state.withLock { state in
      for port in state.guests.keys {
        guard var guest = state.guests[port] else { continue }
        if guest.reopenIfReplaced(by: opener) {
          for worker in workers { worker.watchAgain(port: port) }
        }
        cxdp_store(status + port, guest.offloads().rawValue)
        state.guests[port] = guest
        if guest.isTap { continue }
        for descriptor in guest.descriptors {
          state.missed[port, default: 0] += UInt64(cxdp_packet_missed(descriptor))
        }
      }
    }
  }

  func missed(port: Int) -> UInt64 { state.withLock { $0.missed[port] ?? 0 } }

  /// Closes all.
  func shutDown() {
    state.withLock { state in
      for port in state.guests.keys { state.guests[port]?.shutDown() }
      state.guests = [:]
    }
  }
}
