import Controller
import ControllerTestSupport
import Testing

@Suite struct CallTests {
  // MARK: Objects

  @Test func objectsAreChosenByKindAndId() async throws {
    try await withDesk { desk in
      try await desk.apply(Rules.whole(Rules.base))
      let by = Desk.administrator
      let all = try await desk.controller.objects(nil, ids: [], by: by)
      #expect(all.generation == 1)
      #expect(
        all.items.map(\.reference.description) == [
          "policy", "vpcs/v", "subnets/s", "networkInterfaces/eni-web", "securityGroups/g",
        ])
      let one = try await desk.controller.objects(.subnets, ids: ["s"], by: by)
      #expect(one.items.map(\.json) == [#"{"id":"s","vpc":"v","cidrs":["10.0.0.0/16"]}"#])
      await #expect(throws: ControlError.notFound(ObjectReference(.subnets, "t"))) {
        try await desk.controller.objects(.subnets, ids: ["s", "t"], by: by)
      }
      await #expect(throws: ControlError.invalid(["ids need the kind of the objects"])) {
        try await desk.controller.objects(nil, ids: ["s"], by: by)
      }
    }
  }

  // MARK: Watching

  @Test func watcherSeesTheCurrentStatusFirstThenChanges() async throws {
    try await withDesk { desk in
      var seen = try await desk.controller.watch(by: Desk.administrator).makeAsyncIterator()
      #expect(await seen.next()?.generation == 0)
      try await desk.apply(Rules.whole(Rules.base))
      #expect(await seen.next()?.generation == 1)
    }
  }

  @Test func slowWatcherGetsTheNewestAndHoldsOnlyThat() async throws {
    try await withDesk { desk in
      var seen = try await desk.controller.watch(by: Desk.administrator).makeAsyncIterator()
      try await desk.apply(Rules.whole(Rules.base))
      for port in 1...20 { try await desk.apply(Rules.patch(Rules.group(port: port))) }
      #expect(await seen.next()?.generation == 21)
      await desk.controller.stop()
      #expect(await seen.next() == nil)
    }
  }

  @Test func watchersAreBoundedAndGoWhenTheirCallerGoes() async throws {
    var limits = ControllerLimits()
    limits.watchers = 2
    try await withDesk(limits: limits) { desk in
      let first = try await desk.controller.watch(by: Desk.administrator)
      let second = Task {
        for await _ in try await desk.controller.watch(by: Desk.administrator) {}
      }
      while await desk.controller.watcherCount < 2 { await Task.yield() }
      await #expect(throws: ControlError.full(what: "watchers", limit: 2, asked: 3)) {
        try await desk.controller.watch(by: Desk.administrator)
      }
      second.cancel()
      while await desk.controller.watcherCount > 1 { await Task.yield() }
      _ = try await desk.controller.watch(by: Desk.administrator)
      withExtendedLifetime(first) {}
    }
  }

  // MARK: Writers that race

  @Test("A-02: of racing writers one wins")
  func ofRacingWritersOneWins() async throws {
    try await withDesk { desk in
      try await desk.apply(Rules.whole(Rules.base))
      for round in 1...5 {
        let won = await withTaskGroup(of: UInt64?.self) { group in
          for writer in 0..<10 {
            group.addTask {
              var request = Rules.patch(Rules.group(port: round * 100 + writer))
              request.expectedGeneration = UInt64(round)
              return try? await desk.controller.apply(request, by: Desk.administrator).generation
            }
          }
          return await group.reduce(into: [UInt64]()) { if let won = $1 { $0.append(won) } }
        }
        #expect(won == [UInt64(round + 1)])
      }
      #expect(try await desk.status().generation == 6)
    }
  }

  @Test func changesAreAppliedInOrderOfArrival() async throws {
    try await withDesk { desk in
      try await desk.apply(Rules.whole(Rules.base))
      await desk.dataPlane.hold()
      var tasks: [Task<ChangeOutcome, any Error>] = []
      for port in 1...8 {
        tasks.append(Task { try await desk.apply(Rules.patch(Rules.group(port: port))) })
        // The next one comes when this one is in the queue.
        while await desk.controller.changesUnderWay < port { await Task.yield() }
      }
      await desk.dataPlane.release()
      for (index, task) in tasks.enumerated() {
        #expect(try await task.value.generation == UInt64(index + 2))
      }
    }
  }

  @Test("A-02: the change of a caller who went is not applied")
  func changeOfACallerWhoWentIsNotApplied() async throws {
    try await withDesk { desk in
      try await desk.apply(Rules.whole(Rules.base))
      await desk.dataPlane.hold()
      let first = Task { try await desk.apply(Rules.patch(Rules.group(port: 1))) }
      while await desk.controller.changesUnderWay < 1 { await Task.yield() }
      let second = Task { try await desk.apply(Rules.patch(Rules.group(port: 2))) }
      while await desk.controller.changesUnderWay < 2 { await Task.yield() }
      second.cancel()
      await desk.dataPlane.release()
      _ = try await first.value
      await #expect(throws: ControlError.self) { try await second.value }
      #expect(try await desk.status().generation == 2)
    }
  }

  @Test func queueIsBounded() async throws {
    var limits = ControllerLimits()
    limits.waitingChanges = 3
    try await withDesk(limits: limits) { desk in
      try await desk.apply(Rules.whole(Rules.base))
      await desk.dataPlane.hold()
      let tasks = (1...4).map { port in
        Task { try await desk.apply(Rules.patch(Rules.group(port: port))) }
      }
      while await desk.controller.changesUnderWay < 4 { await Task.yield() }
      #expect(
        await desk.refusal(of: Rules.patch(Rules.group(port: 9)))
          == .unavailable(why: "3 changes are waiting already", advice: "try again later"))
      // Readers do not wait for writers.
      #expect(try await desk.status().generation == 1)
      await desk.dataPlane.release()
      for task in tasks { _ = try await task.value }
      #expect(try await desk.status().generation == 5)
    }
  }

  // MARK: Bounds

  @Test("X-03: requests and states are bounded")
  func requestsAndStatesAreBounded() async throws {
    var limits = ControllerLimits()
    limits.requestBytes = 1000
    limits.objects = 6
    try await withDesk(limits: limits) { desk in
      try await desk.apply(Rules.whole(Rules.base))
      let long = Rules.whole(Rules.base + String(repeating: "#", count: 1000))
      let bytes = Rules.base.utf8.count + 1000
      #expect(
        await desk.refusal(of: long)
          == .full(what: "bytes of a request", limit: 1000, asked: bytes))
      let many = "prefixLists: [{id: a, entries: []}, {id: b, entries: []}]"
      #expect(
        await desk.refusal(of: Rules.patch(many)) == .full(what: "objects", limit: 6, asked: 7))
      #expect(try await desk.status().generation == 1)
    }
  }

  // MARK: The data plane refuses

  @Test(arguments: [
    (
      DataPlaneError.full(what: "NICs", limit: 1024, asked: 1025),
      ControlError.full(what: "NICs", limit: 1024, asked: 1025)
    ),
    (
      .fixed(what: "host.address"),
      .unavailable(
        why: "host.address cannot change while the data plane runs",
        advice: "restart the daemon with the new value")
    ),
    (
      .port(networkInterface: "eni-web", why: "no such device", advice: "make it"),
      .unavailable(why: "the port of eni-web: no such device", advice: "make it")
    ),
    (
      .workersDoNotPass(seconds: 5),
      .unavailable(
        why: "a worker did not take up the new generation in 5 s",
        advice: "see the daemon's log; the state before is in force")
    ),
  ])
  func refusedPublicationLeavesTheOldState(
    _ error: DataPlaneError, _ expected: ControlError
  ) async throws {
    try await withDesk { desk in
      try await desk.apply(Rules.whole(Rules.base))
      let before = try await desk.objects()
      await desk.dataPlane.refuse(error)
      #expect(await desk.refusal(of: Rules.patch(Rules.group(port: 80))) == expected)
      #expect(try await desk.objects() == before)
      let again = try await desk.restarted()
      #expect(try await again.objects() == before)
      #expect(try await again.status().generation == 1)
      // A number is never given twice.
      #expect(try await again.apply(Rules.patch(Rules.group(port: 80))).generation == 3)
    }
  }
}
