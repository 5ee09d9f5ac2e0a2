import Foundation

/// Runs plans, and makes those that fail small.
public enum Simulator {
  /// How a run went.
  public struct Result: Sendable {
    public var frames = 0
    /// Connections whose place another took while they lived.
    public var replacements = 0
    public var difference: Difference?
  }

  /// Runs a plan on a host of its own until something differs.
  ///
  /// - Parameter kept: indices of the steps to do; nil for all.
  public static func run(_ plan: Plan, kept: [Int]? = nil) -> Result {
    var result = Result()
    let host: SimulatedHost
    do {
      host = try SimulatedHost(model: plan.model, workers: plan.workers)
    } catch {
      result.difference = Difference(step: 0, text: "no host: \(error)")
      return result
    }
    for index in kept ?? Array(plan.steps.indices) where plan.steps.indices.contains(index) {
      switch plan.steps[index] {
      case .frame, .superFrame: result.frames += 1
      default: break
      }
      if let text = host.perform(plan.steps[index]) {
        result.difference = Difference(step: index, text: text)
        break
      }
    }
    if result.difference == nil, let text = host.finish() {
      result.difference = Difference(step: plan.steps.count, text: text)
    }
    result.replacements = host.replacements
    return result
  }

  /// The fewest steps found by which a plan still fails: delta debugging (Zeller and Hildebrandt,
  /// "Simplifying and isolating failure-inducing input", 2002), for a limited time.
  ///
  /// - Parameters:
  ///   - seconds: after which the smallest so far is taken.
  ///   - isStopped: asked before each run whether to do the same at once.
  public static func minimise(
    _ plan: Plan, seconds: Double, isStopped: () -> Bool = { false }
  ) -> [Int] {
    let end = Date().addingTimeInterval(seconds)
    func goesOn() -> Bool { Date() < end && !isStopped() }
    guard let first = run(plan).difference else { return Array(plan.steps.indices) }
    // What comes after the difference has no part in it.
    var kept = Array(0..<min(plan.steps.count, first.step + 1))
    var size = max(1, kept.count / 2)
    while goesOn() {
      var start = 0
      var isSmaller = false
      while start < kept.count && goesOn() {
        var fewer = kept
        fewer.removeSubrange(start..<min(kept.count, start + size))
        if run(plan, kept: fewer).difference != nil {
          kept = fewer
          isSmaller = true
        } else {
          start += size
        }
      }
      if size == 1 && !isSmaller { break }
      if !isSmaller || size > kept.count { size = max(1, size / 2) }
    }
    return kept
  }

  /// Step numbers as text, such as `0-4,9`.
  public static func text(_ steps: [Int]) -> String {
    var parts: [String] = []
    var index = 0
    while index < steps.count {
      var end = index
      while end + 1 < steps.count && steps[end + 1] == steps[end] + 1 { end += 1 }
      parts.append(end == index ? "\(steps[index])" : "\(steps[index])-\(steps[end])")
      index = end + 1
    }
    return parts.joined(separator: ",")
  }

  /// Reads what `text` writes, in ascending order; nil when it is something else.
  public static func steps(_ text: String) -> [Int]? {
    var steps: [Int] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
      guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2,
        first > steps.last ?? -1, first <= last, last - first < 1_000_000
      else { return nil }
      steps += Array(first...last)
    }
    return steps
  }
}
