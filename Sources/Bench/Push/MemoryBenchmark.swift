import Datapath
import Glibc
import TableCompiler
import Tables
import VPCModel
import Wire

/// Bytes that one more of something takes: the images of the tables as they are compiled, and what
/// the process has in memory for a tracked connection.
public struct MemoryBenchmark {
  private static let rules = 100_000
  private static let routes = 100_000
  private static let mappings = 1_000_000
  private static let interfaces = 1_000
  private static let connections = 1_000_000

  public init() {}

  /// Measures bytes a connection, interface, rule, route and mapping.
  ///
  /// - Throws: `TableCompilerError` when the model cannot be compiled, which is a defect.
  public func run() throws(TableCompilerError) -> [BenchmarkResult] {
    let small = BenchmarkModel.make()
    let base = try TableCompiler.compile(small).byteCount
    func result(_ name: String, _ model: VPCModel, _ count: Int) throws(TableCompilerError)
      -> BenchmarkResult
    {
      let bytes = try TableCompiler.compile(model).byteCount - base
      return Self.result(name, Double(bytes) / Double(count))
    }
    return [
      try connection(),
      try result("memory-rule", Self.withRules(small), Self.rules),
      try result("memory-route", Self.withRoutes(small), Self.routes),
      try result("memory-mapping", Self.withMappings(small), Self.mappings),
      try result("memory-interface", Self.withInterfaces(small), Self.interfaces),
    ]
  }

  private static func result(_ name: String, _ bytes: Double) -> BenchmarkResult {
    BenchmarkResult(name: name, unit: "bytes", samples: [bytes], parameters: [])
  }

  /// Resident memory before and after a million UDP connections.
  private func connection() throws(TableCompilerError) -> BenchmarkResult {
    let compiled = try TableCompiler.compile(BenchmarkModel.make())
    var traffic = BenchmarkTraffic(flows: Self.connections)
    defer { traffic.deallocate() }
    var worker = Worker(
      configuration: WorkerConfiguration(flowCapacity: Self.connections), nicCapacity: 1,
      ruleCapacity: compiled.tables.ruleCount)
    let before = Self.residentBytes()
    for start in stride(from: 0, to: Self.connections, by: PipelineBenchmark.burst) {
      let count = min(PipelineBenchmark.burst, Self.connections - start)
      traffic.stamp(count: count) { start + $0 }
      worker.process(traffic.packets, compiled.tables)
    }
    let bytes = Self.residentBytes() - before
    return Self.result("memory-connection", Double(bytes) / Double(worker.flows.count))
  }

  /// proc(5): the second number of statm counts pages.
  static func residentBytes() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 128)
    guard fgets(&line, 128, file) != nil else { return 0 }
    let text = String(decoding: line.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let numbers = text.split(separator: " ")
    return numbers.count > 1 ? (Int(numbers[1]) ?? 0) * Int(getpagesize()) : 0
  }

  // MARK: Models

  private static func withRules(_ model: VPCModel) -> VPCModel {
    var model = model
    let rules = (0..<Self.rules).map { index in
      SecurityGroupRule(
        id: "many/ingress/\(index)",
        match: TrafficMatch(
          protocolNumber: IPProtocol.tcp, ports: [UInt16(1 + index % 1_000)...UInt16(2_000)]),
        peers: [.cidr(IPPrefix(IPAddress(v4: 0x0B00_0000 + UInt32(index) << 4), length: 28))])
    }
    model.securityGroups.append(
      SecurityGroup(id: "many", vpc: "vpc", ingress: rules, egress: []))
    return model
  }

  private static func withRoutes(_ model: VPCModel) -> VPCModel {
    var model = model
    model.routeTables[0].routes = SharedList(
      (0..<routes).map { index in
        Route(
          destination: .cidr(
            IPPrefix(IPAddress(v4: 0x2000_0000 + UInt32(index) << 9), length: 24)),
          target: .blackhole)
      })
    return model
  }

  private static func withMappings(_ model: VPCModel) -> VPCModel {
    var model = model
    for index in 0..<mappings {
      model.mappings.append(
        Mapping(
          vpc: "vpc", address: IPAddress(v4: 0x0A10_0000 + UInt32(index)),
          host: IPAddress(v4: 0xC000_0210 + UInt32(index % 16)),
          mac: MACAddress(0x0200_0100_0000 + UInt64(index))))
    }
    return model
  }

  private static func withInterfaces(_ model: VPCModel) -> VPCModel {
    var model = model
    for index in 0..<interfaces {
      var nic = NetworkInterface(
        id: "eni-\(index)", subnet: "subnet", mac: MACAddress(0x0200_0300_0000 + UInt64(index)),
        addresses: [IPAddress(v4: 0x0A00_8000 + UInt32(index))])
      nic.securityGroups = ["sg"]
      model.networkInterfaces.append(nic)
    }
    return model
  }
}
