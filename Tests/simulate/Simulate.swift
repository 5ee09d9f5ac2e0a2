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
      fails is made small and printed.

      Exit codes: 0 no difference, 1 a difference, 64 wrong arguments, 130 or 143 when SIGINT or
      SIGTERM came before as many seeds or minutes as asked for.

      Examples:

        scripts/simulate --seeds 1000
        scripts/simulate --seed 17
        scripts/simulate --seed 17 --steps 0-4,9
      """)

  @Option(help: "Only this seed.") var seed: UInt64?
  @Option(help: "Only these steps of it, such as 0-4,9.") var steps: String?
  @Option(help: "The first seed; 1 without it.") var first: UInt64?
  @Option(help: "How many seeds.") var seeds: UInt64?
  @Option(help: "How many minutes.") var minutes: Double?
  @Option(help: "Frames of each seed.") var frames = 400
  @Option(help: "Seconds to make a failure small.") var minimise = 20.0
  @Option(help: "The commit, for the report of a failure.") var commit = "unknown"

  func validate() throws {
    if seed != nil && (first != nil || seeds != nil || minutes != nil) {
      throw ValidationError("--seed is one seed: no --first, --seeds or --minutes with it")
    }
    if seed == nil && steps != nil { throw ValidationError("--steps are of one --seed") }
    if seeds == 0 { throw ValidationError("--seeds is 1 at least") }
    if let minutes, !(minutes > 0) { throw ValidationError("--minutes is more than 0") }
    if !(1...1_000_000).contains(frames) { throw ValidationError("--frames is 1 to 1000000") }
    if !(minimise >= 0) { throw ValidationError("--minimise is 0 at least") }
  }

  func run() throws {
    UnderWay.name(seed ?? first ?? 1)
    UnderWay.begin()
    if let seed { return try replay(seed) }
    let start = Date()
    var tally = Tally()
    var seed = first ?? 1
    // One seed at least, as it was said to be under way: an early signal ends it after that too.
    repeat {
      UnderWay.name(seed)
      let plan = Plan(seed: seed, frames: frames)
      let result = Simulator.run(plan)
      tally.add(result)
      if let difference = result.difference {
        try fail(plan, difference, tally)
      }
      tally.show(since: start)
      seed &+= 1
    } while UnderWay.signal == 0 && !isEnough(tally, since: start)
    print("\(tally.line(since: start)), no difference")
    if UnderWay.signal != 0 && (seeds != nil || minutes != nil) && !isEnough(tally, since: start) {
      print("interrupted before the end")
      throw ExitCode(128 + UnderWay.signal)
    }
  }

  private func isEnough(_ tally: Tally, since start: Date) -> Bool {
    if let seeds, tally.seeds >= seeds { return true }
    if let minutes, Date().timeIntervalSince(start) >= minutes * 60 { return true }
    return false
  }

  private func replay(_ seed: UInt64) throws {
    let plan = Plan(seed: seed, frames: frames)
    var kept: [Int]?
    if let steps {
      guard let wanted = Simulator.steps(steps) else {
        throw ValidationError("--steps \(steps): not like 0-4,9")
      }
      guard let last = wanted.last, last < plan.steps.count else {
        throw ValidationError(
          "--steps \(steps): seed \(seed) with \(frames) frames has \(plan.steps.count) steps")
      }
      kept = wanted
    }
    let result = Simulator.run(plan, kept: kept)
    guard let difference = result.difference else {
      return print("seed \(seed): \(result.frames) packets, no difference")
    }
    if let kept {
      show(plan, kept, difference)
      throw ExitCode(1)
    }
    var tally = Tally()
    tally.add(result)
    try fail(plan, difference, tally)
  }

  // MARK: A seed that fails

  /// Prints what was found at once, as making it small takes its time and may end otherwise.
  private func fail(_ plan: Plan, _ difference: Difference, _ tally: Tally) throws {
    if minimise > 0 {
      print("\n\(headline(plan, difference))\nmaking it small, \(Int(minimise)) s at most")
      fflush(nil)
    }
    let kept =
      minimise > 0
      ? Simulator.minimise(plan, seconds: minimise) { UnderWay.signal != 0 } : []
    let again = minimise > 0 ? Simulator.run(plan, kept: kept).difference : difference
    if again == nil { print("it was not found once more: the same seed was not the same run") }
    show(plan, again == nil ? [] : kept, again ?? difference)
    print("\(tally.seeds) seeds, \(tally.packets) packets, seed \(plan.seed) failed")
    throw ExitCode(1)
  }

  private func headline(_ plan: Plan, _ difference: Difference) -> String {
    "seed \(plan.seed), \(plan.workers) workers, \(difference)"
  }

  private func show(_ plan: Plan, _ kept: [Int], _ difference: Difference) {
    print("\n\(headline(plan, difference))")
    print("commit \(commit)")
    if kept.count > 40 { print("  the last 40 of \(kept.count) steps:") }
    for index in kept.suffix(40) where plan.steps.indices.contains(index) {
      print("  \(index)  \(plan.steps[index])")
    }
    print(
      "again: scripts/simulate --seed \(plan.seed) --frames \(frames)"
        + (kept.isEmpty ? "" : " --steps \(Simulator.text(kept))"))
  }
}
