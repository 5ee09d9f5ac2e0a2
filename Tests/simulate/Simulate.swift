import ArgumentParser
import Foundation
import Simulation

/// Simulates hosts from seeds, and compares every packet with the reference model.
@main
struct Simulate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate",
    discussion: """
      Without --seeds, --minutes or --seed it goes on until it is interrupted. The first seed that
      fails is made small and printed, and the exit code is 1.

      Examples:

        scripts/simulate --seeds 1000
        simulate --seed 17
        simulate --seed 17 --steps 0-4,9
      """)

  @Option(help: "Only this seed.") var seed: UInt64?
  @Option(help: "Only these steps of it, such as 0-4,9.") var steps: String?
  @Option(help: "The first seed.") var first: UInt64 = 1
  @Option(help: "How many seeds.") var seeds: UInt64?
  @Option(help: "How many minutes.") var minutes: Double?
  @Option(help: "Frames of each seed.") var frames = 400
  @Option(help: "Seconds to make a failure small.") var minimise = 20.0
  @Option(help: "The commit, for the report of a failure.") var commit = "unknown"

  func run() throws {
    if let seed { return try replay(seed) }
    let isInterrupted = Interrupt()
    let start = Date()
    var (done, packets) = (UInt64(0), 0)
    var lastShown = start
    while !isInterrupted.isSet {
      if let seeds, done >= seeds { break }
      if let minutes, Date().timeIntervalSince(start) >= minutes * 60 { break }
      let plan = Plan(seed: first + done, frames: frames)
      let result = Simulator.run(plan)
      done += 1
      packets += result.frames
      if result.difference != nil {
        try fail(plan, done: done, packets: packets)
      }
      if isatty(1) == 1, Date().timeIntervalSince(lastShown) > 0.5 {
        lastShown = Date()
        print("\r\(done) seeds, \(packets) packets", terminator: "")
        fflush(nil)
      }
    }
    let seconds = Date().timeIntervalSince(start)
    if isatty(1) == 1 { print("\r", terminator: "") }
    print("\(done) seeds, \(packets) packets, \(Int(seconds)) s, no difference")
  }

  private func replay(_ seed: UInt64) throws {
    let plan = Plan(seed: seed, frames: frames)
    guard let steps else {
      let result = Simulator.run(plan)
      if result.difference != nil { try fail(plan, done: 1, packets: result.frames) }
      return print("seed \(seed): \(result.frames) packets, no difference")
    }
    guard let kept = Simulator.steps(steps) else {
      throw ValidationError("--steps \(steps): not like 0-4,9")
    }
    let result = Simulator.run(plan, kept: kept)
    guard let difference = result.difference else {
      return print("seed \(seed): \(result.frames) packets, no difference")
    }
    show(plan, kept, difference)
    throw ExitCode(1)
  }

  private func fail(_ plan: Plan, done: UInt64, packets: Int) throws {
    let kept = minimise > 0 ? Simulator.minimise(plan, seconds: minimise) : []
    let minimised = minimise > 0 ? Simulator.run(plan, kept: kept) : Simulator.run(plan)
    if let difference = minimised.difference { show(plan, kept, difference) }
    print("\(done) seeds, \(packets) packets, seed \(plan.seed) failed")
    throw ExitCode(1)
  }

  private func show(_ plan: Plan, _ kept: [Int], _ difference: Difference) {
    print("\nseed \(plan.seed), \(plan.workers) workers, \(difference)")
    print("commit \(commit)")
    for index in kept.suffix(40) where plan.steps.indices.contains(index) {
      print("  \(index)  \(plan.steps[index])")
    }
    print(
      "again: simulate --seed \(plan.seed) --frames \(frames)"
        + (kept.isEmpty ? "" : " --steps \(Simulator.text(kept))"))
  }
}

/// Whether somebody asked for the end (SIGINT, SIGTERM); the seed under way is finished first.
final class Interrupt: @unchecked Sendable {
  // Sendable: the flag is written by one queue and only ever becomes true.
  private let lock = NSLock()
  private var flag = false
  private var sources: [any DispatchSourceSignal] = []

  var isSet: Bool { lock.withLock { flag } }

  init() {
    for number in [SIGINT, SIGTERM] {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { [weak self] in self?.set() }
      source.resume()
      sources.append(source)
    }
  }

  private func set() { lock.withLock { flag = true } }
}
