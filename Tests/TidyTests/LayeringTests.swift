import Testing

/// Which module may import which: arrows only point down, as in docs/ARCHITECTURE.md.
@Suite struct LayeringTests {
  static let allowed: [String: Set<String>] = [
    "Wire": [],
    "Tables": ["Wire", "CDataplane"],
    "Datapath": ["Wire", "Tables", "CDataplane"],
    "LockFree": ["CDataplane"],
    "Live": ["Wire", "Tables", "Datapath", "LockFree", "CDataplane"],
    "HostPlan": ["Wire"],
    "KernelPort": [
      "CXDP", "HostPlan", "Live", "Datapath", "LockFree", "Wire", "Synchronization",
    ],
    "DPDKPort": [
      "CDPDK", "HostPlan", "Live", "Datapath", "LockFree", "Wire", "Synchronization",
    ],
    "HostFile": ["HostPlan", "VPCModel", "Wire"],
    "Controller": [
      "HostFile", "HostPlan", "VPCModel", "Wire", "Crypto", "GRDB", "Dispatch", "Foundation",
      "Synchronization",
    ],
    "ControlProtocol": ["GRPCCore", "GRPCProtobuf", "SwiftProtobuf"],
    "ControlAPI": [
      "ControlProtocol", "Controller", "GRPCCore", "GRPCNIOTransportHTTP2Posix", "SwiftProtobuf",
      "NIOCore", "NIOPosix", "NIOTLS", "NIOHPACK", "NIOHTTP2", "NIOSSL", "X509", "Crypto",
      "FoundationEssentials", "Synchronization",
    ],
    "apusctl": [
      "CapturePort", "ControlAPI", "ControlProtocol", "Controller", "ArgumentParser", "GRPCCore",
      "NIOPosix", "SwiftProtobuf", "Dispatch", "Synchronization",
    ],
    "Daemon": [
      "Controller", "Explanation", "FlowLogs", "Gzip", "HostFile", "HostPlan", "KernelPort",
      "DPDKPort", "Live", "LockFree",
      "VPCModel", "TableCompiler", "Tables", "Datapath", "SlowPath", "Wire", "CDataplane",
      "CThreads", "CConfinement", "Yams", "Logging", "NIOCore", "NIOPosix", "NIOHTTP1",
      "Synchronization",
    ],
    "apusd": [
      "HostFile",
      "Daemon", "ControlAPI", "Controller", "HostPlan", "VPCModel", "ArgumentParser", "Dispatch",
      "FoundationEssentials", "Synchronization",
    ],
    "VhostBroker": ["CFileDescriptors", "Logging", "Synchronization"],
    "apus-vhostd": ["VhostBroker", "ArgumentParser"],
    "Gzip": ["CDeflate"],
    "CapturePort": ["CCapture"],
    "VPCModel": ["Wire", "Yams"],
    "TableCompiler": ["VPCModel", "Tables", "Wire", "Synchronization"],
    "AWSImport": ["VPCModel", "Wire"],
    "SlowPath": ["VPCModel", "Wire"],
    "Explanation": ["VPCModel", "TableCompiler", "Tables", "Datapath", "Wire"],
    "FlowLogs": ["Explanation", "VPCModel", "Datapath", "Tables", "Wire"],
    "Replay": [
      "Explanation", "FlowLogs", "Gzip", "VPCModel", "TableCompiler", "Tables", "Datapath",
      "SlowPath", "CapturePort",
      "Wire", "Dispatch",
    ],
    "Report": ["Replay", "Explanation", "FlowLogs", "VPCModel", "Datapath", "Tables", "Wire"],
    "Reachability": [
      "Explanation", "VPCModel", "TableCompiler", "Tables", "Datapath", "SlowPath", "Wire",
    ],
    "FlowLogAudit": [
      "FlowLogs", "Reachability", "Replay", "CapturePort", "VPCModel", "TableCompiler", "Wire",
    ],
    "Bench": [
      "Explanation", "FlowLogs", "Replay", "VPCModel", "TableCompiler", "Tables", "Datapath",
      "Live", "LockFree", "Wire",
      "CDataplane", "CThreads",
    ],
    "apus": [
      "AWSImport", "Bench", "FlowLogAudit", "FlowLogs", "Reachability", "Replay", "Report",
      "VPCModel",
      "TableCompiler", "Datapath", "Tables", "Wire", "CapturePort", "ArgumentParser",
    ],
  ]

  /// Files of the fast path that may call the C library, and what for.
  static let systemCallers = [
    "Sources/Wire/AddressText.swift": "text of addresses",
    "Sources/Tables/WorkerMemory.swift": "memory at start",
  ]

  static func imports(_ file: SourceFile) -> [String] {
    file.code.filter { $0.contains("import ") }.flatMap { line in
      line.captures(#"^\s*(?:@\w+\s+|public |internal |package )*import (?:\w+ )?(\w+)"#)
    }
  }

  static func violations(_ file: SourceFile) -> [String] {
    if file.isGenerated { return [] }
    guard let allowed = allowed[file.target] else {
      return ["\(file.path): module \(file.target) has no row in LayeringTests.allowed"]
    }
    return imports(file).compactMap { name in
      if allowed.contains(name) { return nil }
      if name == "Glibc" && (!file.isHot || systemCallers[file.path] != nil) { return nil }
      return "\(file.path) may not import \(name)"
    }
  }

  @Test func importsPointDown() throws {
    let found = try SourceTree.sources().flatMap(Self.violations)
    #expect(found.isEmpty, "\(found.joined(separator: "\n"))")
  }

  @Test func tableHasNoCycle() {
    var levels: [String: Int] = [:]
    for _ in 0..<Self.allowed.count {
      for (module, imports) in Self.allowed {
        levels[module] = (imports.map { levels[$0] ?? 0 }.max() ?? 0) + 1
      }
    }
    #expect(levels.values.allSatisfy { $0 <= Self.allowed.count - 1 })
  }

  @Test(arguments: ["Foundation", "Dispatch", "VPCModel", "Glibc", "Synchronization"])
  func hotImportIsSeen(_ name: String) {
    let file = SourceFile(path: "Sources/Datapath/Planted.swift", lines: ["import \(name)"])
    #expect(Self.violations(file) == ["Sources/Datapath/Planted.swift may not import \(name)"])
  }

  @Test func everyFileBelongsToTarget() throws {
    let manifest = try SourceTree.file("Package.swift").lines.joined(separator: "\n")
    let targets = Set(manifest.captures(#"arget\(\s*name: "([\w-]+)""#))
    let lost = try SourceTree.files(".swift", in: ["Sources", "Tests"])
      .filter { !targets.contains($0.target) }.map(\.path)
    #expect(lost.isEmpty, "in no target: \(lost)")
  }
}
