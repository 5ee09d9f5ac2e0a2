import Datapath
import Live
import Tables

/// A packet that was seen, with what stood behind it.
struct Seen {
  var packet: ObservedPacket
  var events: [TraceEvent]
  var bytes: [UInt8]

  var steps: [TraceStep] { events.map(\.step) }
}

/// Looks at the packets of one worker, whose rounds the test runs.
final class Observer {
  private let place: UnsafeMutablePointer<Observation>
  private let shared: WorkerShared
  private let worker: Int

  init(
    _ host: LiveHost, _ content: Observation.Content,
    _ filter: ObservationFilter = ObservationFilter(), hasPayload: Bool = false,
    beyondHeaders: Int = 0, capacity: Int? = nil, worker: Int = 0
  ) {
    shared = host.shared
    self.worker = worker
    place = .allocate(capacity: 1)
    place.initialize(
      to: Observation(
        content, filter, hasPayload: hasPayload, beyondHeaders: beyondHeaders, capacity: capacity))
  }

  /// The worker has let go, or the test ends its last round.
  deinit {
    place.deinitialize(count: 1)
    place.deallocate()
  }

  func begin() -> Bool { shared.observe(worker: worker, place) }
  func end() { place.pointee.end() }
  var overrun: UInt64 { place.pointee.overrun }
  var unaffordable: UInt64 { place.pointee.unaffordable }

  /// All that was seen since it was asked last.
  func take() -> [Seen] {
    var seen: [Seen] = []
    while let next = place.pointee.take({ packet, events, bytes in
      Seen(packet: packet, events: Array(events), bytes: Array(bytes))
    }) {
      seen.append(next)
    }
    return seen
  }
}
