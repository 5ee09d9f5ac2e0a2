/// One measured figure: the median of several runs with the extremes beside it.
public struct BenchmarkResult: Sendable {
  public var name: String
  public var unit: String
  public var value: Double
  public var min: Double
  public var max: Double
  public var runs: Int
  /// What was measured, in the order in which it is shown.
  public var parameters: [(String, String)]

  /// - Parameter samples: one figure a run, at least one.
  public init(name: String, unit: String, samples: [Double], parameters: [(String, String)]) {
    let sorted = samples.sorted()
    self.name = name
    self.unit = unit
    value = sorted.isEmpty ? 0 : sorted[sorted.count / 2]
    min = sorted.first ?? 0
    max = sorted.last ?? 0
    runs = sorted.count
    self.parameters = parameters
  }

  /// The result as one JSON object.
  public var json: String {
    let fields = parameters.map { "\"\($0.0)\":\"\($0.1)\"" }.joined(separator: ",")
    return "{\"name\":\"\(name)\",\"unit\":\"\(unit)\",\"value\":\(value),\"min\":\(min),"
      + "\"max\":\(max),\"runs\":\(runs),\"parameters\":{\(fields)}}"
  }

  /// The result as a line for people.
  public var text: String {
    let details = parameters.map { "\($0.0) \($0.1)" }.joined(separator: ", ")
    return "\(name): \(Self.short(value)) \(unit) (min \(Self.short(min)), max "
      + "\(Self.short(max)), \(runs) runs; \(details))"
  }

  private static func short(_ value: Double) -> String {
    let tenths = Int((value * 10).rounded())
    return "\(tenths / 10).\(abs(tenths % 10))"
  }
}
