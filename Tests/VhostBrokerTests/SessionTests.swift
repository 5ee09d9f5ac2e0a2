import CFileDescriptors
import Foundation
import Testing

@testable import VhostBroker

/// What the two sides of a running broker see.
@Suite(.serialized) struct SessionTests {
  @Test func requestsAreRelayedAndFeaturesMasked() throws {
    let bench = try Bench()
    let backend = try bench.backend()
    let frontend = try bench.frontend()
    let features = try frontend.ask(Message(.getFeatures)).value
    #expect(features == 1 << 32 | 1 << 34 | Feature.protocolFeatures)
    #expect(try frontend.ask(Message(.getProtocolFeatures)).value == ProtocolFeature.relayed)
    #expect(try frontend.ask(Message(.getQueueCount)).value == 2)
    try frontend.start()
    #expect(try frontend.ask(Message(.getStatus)).value == 9)
    let base = try frontend.ask(Message(.getRingBase, ring: 1, number: 0))
    #expect(base.ring == 1 && base.number == 77)
    #expect(backend.last(.setMemoryTable)?.descriptors.count == 1)
    #expect(backend.last(.setRingKick)?.descriptors.count == 1)
    #expect(backend.last(.setStatus)?.needsReply == true)
    #expect(bench.broker.stop() == 0)
    #expect(frontend.isClosed)
    #expect(eventually { backend.isClosed })
  }

  @Test func refusalReachesTheHypervisorAndIsNotReplayed() throws {
    let bench = try Bench()
    let first = try bench.backend(.init(refuses: .setMTU))
    let frontend = try bench.frontend()
    try frontend.start()
    #expect(try frontend.acknowledged(Message(.setMTU, value: 9000)) == 1)
    first.close()
    let second = try bench.backend()
    #expect(eventually { second.requests.last == .getFeatures && second.requests.count > 2 })
    #expect(second.last(.setMTU) == nil)
  }

  @Test func sessionIsReplayedInOrder() throws {
    let bench = try Bench()
    let first = try bench.backend()
    let frontend = try bench.frontend()
    try frontend.start()
    frontend.memory.setUsedIndex(0xfffe, ring: 0)
    frontend.memory.setUsedIndex(5, ring: 1)
    first.close()
    #expect(bench.hasLost(1))
    let second = try bench.backend()
    let ring: [Request] = [
      .setRingSize, .setRingBase, .setRingAddress, .setRingError, .setRingCall, .setRingKick,
      .setRingEnable,
    ]
    let head: [Request] = [
      .getFeatures, .getProtocolFeatures, .setOwner, .setProtocolFeatures, .setFeatures,
      .getQueueCount, .setMTU, .setMemoryTable,
    ]
    let expected = head + ring + ring + [.setStatus, .getFeatures]
    #expect(eventually { second.requests.count == expected.count })
    let messages = second.messages
    #expect(second.requests == expected)
    #expect(messages.allSatisfy { $0.flags == Message.version })
    let bases = messages.filter { $0.request == Request.setRingBase.rawValue }
    #expect(bases.map(\.number) == [0xfffe, 5])
    let withDescriptors = messages.filter { !$0.descriptors.isEmpty }.map(\.request)
    #expect(withDescriptors == [5, 13, 12, 13, 12])
    // Either side of the rings is told to look.
    for event in frontend.kicks + frontend.calls {
      var count: UInt64 = 0
      #expect(eventually { read(event.raw, &count, 8) == 8 })
    }
    // And the successor is the data plane from now on.
    #expect(try frontend.ask(Message(.getStatus)).value == 9)
  }

  @Test func outageIsAnsweredFromTheRecord() throws {
    let bench = try Bench()
    let first = try bench.backend()
    let frontend = try bench.frontend()
    try frontend.start()
    first.close()
    #expect(bench.hasLost(1))
    let features = try frontend.ask(Message(.getFeatures)).value
    #expect(features & Feature.iommuPlatform == 0 && features & 1 << 32 != 0)
    #expect(try frontend.ask(Message(.getQueueCount)).value == 2)
    #expect(try frontend.ask(Message(.getStatus)).value == 15)
    #expect(try frontend.acknowledged(Message(.setMTU, value: 1400)) == 0)
    frontend.memory.setUsedIndex(300, ring: 1)
    #expect(try frontend.ask(Message(.getRingBase, ring: 1, number: 0)).number == 300)
    let second = try bench.backend()
    #expect(eventually { second.requests.last == .getFeatures && second.requests.count > 2 })
    #expect(second.last(.setMTU)?.value == 1400)
    // The stopped ring stays stopped.
    let kicks = second.messages.filter { $0.request == Request.setRingKick.rawValue }
    #expect(kicks.map(\.value) == [0])
    #expect(second.last(.setRingBase)?.number == 300)
  }

  @Test func requestIsAnsweredThoughTheDataPlaneDiesAtIt() throws {
    for request in [Request.setMTU, .getRingBase, .setRingAddress] {
      let bench = try Bench()
      let dying = try bench.backend(.init(diesAt: request))
      let frontend = try bench.frontend()
      if request == .getRingBase {
        try frontend.start()
        frontend.memory.setUsedIndex(9)
        let reply = try frontend.ask(Message(.getRingBase, ring: 0, number: 0))
        #expect(reply.number == 9)
      } else {
        try frontend.start()
      }
      #expect(eventually { dying.isClosed })
      let second = try bench.backend()
      #expect(eventually { second.requests.last == .getFeatures && second.requests.count > 2 })
      #expect(second.last(.setMTU)?.value == 1500)
      #expect(try frontend.ask(Message(.getStatus)).value == 9)
    }
  }

  @Test func dataPlaneInWaitingTakesOver() throws {
    let bench = try Bench()
    let first = try bench.backend()
    let frontend = try bench.frontend()
    try frontend.start()
    let second = try bench.backend()
    #expect(eventually { bench.broker.log.contains("another data plane waits") })
    #expect(second.messages.isEmpty)
    first.close()
    #expect(eventually { second.last(.setStatus) != nil })
    #expect(!first.isClosed || second.last(.setMemoryTable)?.descriptors.count == 1)
  }

  @Test func dataPlaneThatLacksFeaturesIsSentAway() throws {
    let bench = try Bench()
    let first = try bench.backend()
    let frontend = try bench.frontend()
    try frontend.start()
    first.close()
    #expect(bench.hasLost(1))
    let poorer = try bench.backend(.init(features: Feature.protocolFeatures))
    #expect(eventually { poorer.isClosed })
    let older = try bench.backend(.init(protocolFeatures: ProtocolFeature.multiqueue))
    #expect(eventually { older.isClosed })
    #expect(poorer.requests == [.getFeatures])
    let good = try bench.backend()
    #expect(eventually { good.last(.setStatus) != nil })
    #expect(try frontend.ask(Message(.getStatus)).value == 9)
  }

  @Test func sessionThatNoDataPlaneTakesEnds() throws {
    let bench = try Bench()
    let first = try bench.backend()
    let frontend = try bench.frontend()
    try frontend.start()
    first.close()
    for _ in 0..<3 {
      let next = try bench.backend(.init(diesAt: .setRingAddress))
      #expect(eventually { next.isClosed })
    }
    #expect(frontend.isClosed)
  }

  @Test func packedRingDoesNotOutliveItsDataPlane() throws {
    let bench = try Bench()
    let first = try bench.backend()
    let frontend = try bench.frontend()
    try frontend.start(features: 1 << 32 | Feature.packedRing | Feature.protocolFeatures)
    first.close()
    #expect(frontend.isClosed)
    #expect(eventually { bench.broker.log.contains("packed ring") })
  }

  @Test func requestWaitsForTheFirstDataPlane() throws {
    let bench = try Bench()
    let dying = try bench.backend(.init(diesAt: .getFeatures))
    let frontend = try bench.frontend()
    try frontend.send(Message(.getFeatures))
    #expect(eventually { dying.isClosed })
    let second = try bench.backend()
    #expect(try frontend.receive().value & 1 << 32 != 0)
    #expect(second.requests.contains(.getFeatures))
  }

  @Test func guestThatGoesTakesItsConnectionsAlong() throws {
    let bench = try Bench()
    var backend = try bench.backend()
    var level = 0
    for round in 0..<20 {
      let frontend = try bench.frontend()
      try frontend.start()
      shutdown(frontend.channel.descriptor, Int32(SHUT_RDWR))
      #expect(eventually { backend.isClosed })
      backend = try bench.backend()
      #expect(
        eventually {
          bench.broker.log.components(separatedBy: "data plane connected").count == round + 3
        })
      if round == 0 { level = bench.broker.descriptors }
    }
    #expect(bench.broker.descriptors <= level + 1)
  }

  @Test func brokerListensForTheHypervisor() throws {
    let folder = try TestFolder()
    let outer = folder.file("outer.sock")
    let broker = try BrokerProcess(folder, guests: ["eni=eni-a,socket=\(outer),listens"])
    for _ in 0..<2 {
      let backend = try FakeBackend(broker.innerSocket("eni-a"))
      let frontend = try FakeFrontend(testChannel(apus_unix_connect(outer)))
      try frontend.start()
      #expect(backend.last(.setStatus)?.value == 15)
      shutdown(frontend.channel.descriptor, Int32(SHUT_RDWR))
      #expect(eventually { backend.isClosed })
    }
    #expect(broker.stop() == 0)
    #expect(!FileManager.default.fileExists(atPath: outer))
  }
}
