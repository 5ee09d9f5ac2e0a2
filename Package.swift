// swift-tools-version: 6.2
import PackageDescription

/// Settings of the fast path: every warning is an error, every unsafe expression is marked, and
/// code is generated for x86-64-v3 (AVX2, BMI2), the floor that docs/ARCHITECTURE.md states.
let fastPath: [SwiftSetting] = [
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .unsafeFlags(["-Xcc", "-march=x86-64-v3"]),
  // `@_noLocks` follows calls through the whole module, which only the optimising build compiles at
  // once; a debug build, file by file, would refuse every call into another file.
  .unsafeFlags(
    ["-Xllvm", "-sil-disable-pass=performance-diagnostics"], .when(configuration: .debug)),
]

let slowPath: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .unsafeFlags(["-Xcc", "-march=x86-64-v3"]),
]

/// The program's `main` is libFuzzer's, which comes first; the compiler's is left out.
let libFuzzerMain: [LinkerSetting] = [.unsafeFlags(["-Xlinker", "--allow-multiple-definition"])]

/// Programs that link libFuzzer can be built only with it: `scripts/fuzz` asks for them.
let fuzzPrograms: [Target] = [
  .target(
    name: "FuzzProgram", dependencies: ["FuzzSupport"], path: "Tests/FuzzProgram",
    swiftSettings: slowPath),
  .executableTarget(
    name: "fuzz-frame", dependencies: ["FuzzProgram", "FrameFuzzing"],
    path: "Tests/fuzz-frame", swiftSettings: slowPath, linkerSettings: libFuzzerMain),
  .executableTarget(
    name: "fuzz-tunnel", dependencies: ["FuzzProgram", "TunnelFuzzing"],
    path: "Tests/fuzz-tunnel", swiftSettings: slowPath, linkerSettings: libFuzzerMain),
  .executableTarget(
    name: "fuzz-packets", dependencies: ["FuzzProgram", "PacketFuzzing"],
    path: "Tests/fuzz-packets", swiftSettings: slowPath, linkerSettings: libFuzzerMain),
  .executableTarget(
    name: "fuzz-inputs", dependencies: ["FuzzProgram", "InputFuzzing"],
    path: "Tests/fuzz-inputs", swiftSettings: slowPath, linkerSettings: libFuzzerMain),
  .executableTarget(
    name: "fuzz-control", dependencies: ["FuzzProgram", "ControlFuzzing"],
    path: "Tests/fuzz-control", swiftSettings: slowPath, linkerSettings: libFuzzerMain),
]

let package = Package(
  name: "apus",
  products: [
    .executable(name: "apus", targets: ["apus"]),
    .executable(name: "apusd", targets: ["apusd"]),
    .executable(name: "apus-vhostd", targets: ["apus-vhostd"]),
    .executable(name: "apusctl", targets: ["apusctl"]),
    .library(name: "ControlProtocol", targets: ["ControlProtocol"]),
    .library(name: "ControlAPI", targets: ["ControlAPI"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    .package(url: "https://github.com/grpc/grpc-swift-2", from: "2.4.3"),
    .package(url: "https://github.com/grpc/grpc-swift-nio-transport", from: "2.9.2"),
    .package(url: "https://github.com/grpc/grpc-swift-protobuf", from: "2.4.1"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
  ],
  targets: [
    // C: the only places that touch C.
    .target(name: "CDataplane", cSettings: [.unsafeFlags(["-march=x86-64-v3", "-O2"])]),
    .target(
      name: "CXDP", cSettings: [.unsafeFlags(["-O2"])],
      linkerSettings: [.linkedLibrary("bpf"), .linkedLibrary("elf"), .linkedLibrary("z")]),
    .target(
      name: "CDPDK",
      cSettings: [
        .unsafeFlags([
          "-I/usr/include/dpdk", "-I/usr/include/x86_64-linux-gnu/dpdk", "-include",
          "rte_config.h", "-march=x86-64-v3", "-O2",
        ])
      ],
      linkerSettings: ["eal", "ethdev", "mbuf", "mempool", "ring", "net", "vhost", "kvargs"].map {
        .linkedLibrary("rte_\($0)")
      }),
    .target(name: "CFileDescriptors"),
    .target(name: "CThreads"),
    .target(name: "CConfinement", linkerSettings: [.linkedLibrary("seccomp")]),
    .target(name: "CDeflate", linkerSettings: [.linkedLibrary("z")]),
    .target(name: "CCapture", linkerSettings: [.linkedLibrary("pcap"), .linkedLibrary("z")]),

    // Fast path: no Foundation, no allocation, no reference counting, no locks, no clock.
    .target(name: "Wire", dependencies: [], swiftSettings: fastPath),
    .target(name: "Tables", dependencies: ["Wire", "CDataplane"], swiftSettings: fastPath),
    .target(
      name: "Datapath", dependencies: ["Wire", "Tables", "CDataplane"], swiftSettings: fastPath),
    .target(name: "LockFree", dependencies: ["CDataplane"], swiftSettings: fastPath),
    .target(
      name: "Live", dependencies: ["Wire", "Tables", "Datapath", "LockFree", "CDataplane"],
      swiftSettings: fastPath),

    // Ports.
    .target(name: "HostPlan", dependencies: ["Wire"], swiftSettings: slowPath),
    .target(
      name: "KernelPort",
      dependencies: ["CXDP", "HostPlan", "Live", "Datapath", "LockFree", "Wire"],
      swiftSettings: slowPath),
    .target(
      name: "DPDKPort",
      dependencies: ["CDPDK", "HostPlan", "Live", "Datapath", "LockFree", "Wire"],
      swiftSettings: slowPath),
    .target(name: "Gzip", dependencies: ["CDeflate"], swiftSettings: slowPath),
    .target(name: "CapturePort", dependencies: ["CCapture"], swiftSettings: slowPath),

    // Control: may allocate, may await.
    .target(
      name: "VPCModel", dependencies: ["Wire", .product(name: "Yams", package: "Yams")],
      swiftSettings: slowPath),
    .target(
      name: "TableCompiler", dependencies: ["VPCModel", "Tables", "Wire"], swiftSettings: slowPath),
    .target(name: "AWSImport", dependencies: ["VPCModel", "Wire"], swiftSettings: slowPath),
    .target(
      name: "SlowPath", dependencies: ["VPCModel", "Wire"], swiftSettings: slowPath),
    .target(
      name: "Explanation",
      dependencies: ["VPCModel", "TableCompiler", "Tables", "Datapath", "Wire"],
      swiftSettings: slowPath),
    .target(
      name: "FlowLogs",
      dependencies: ["Explanation", "VPCModel", "Datapath", "Tables", "Wire"],
      swiftSettings: slowPath),
    .target(
      name: "Replay",
      dependencies: [
        "Explanation", "FlowLogs", "Gzip", "VPCModel", "TableCompiler", "Tables", "Datapath",
        "SlowPath", "CapturePort", "Wire",
      ],
      swiftSettings: slowPath),
    .target(
      name: "Report",
      dependencies: [
        "Replay", "Explanation", "FlowLogs", "VPCModel", "Datapath", "Tables", "Wire",
      ],
      swiftSettings: slowPath),
    .target(
      name: "Reachability",
      dependencies: [
        "Explanation", "VPCModel", "TableCompiler", "Tables", "Datapath", "SlowPath", "Wire",
      ],
      swiftSettings: slowPath),
    .target(
      name: "FlowLogAudit",
      dependencies: [
        "FlowLogs", "Reachability", "Replay", "CapturePort", "VPCModel", "TableCompiler", "Wire",
      ],
      swiftSettings: slowPath),
    .target(
      name: "Bench",
      dependencies: [
        "Explanation", "FlowLogs", "Replay", "VPCModel", "TableCompiler", "Tables", "Datapath",
        "Live",
        "LockFree", "Wire", "CDataplane", "CThreads",
      ],
      swiftSettings: slowPath),
    .executableTarget(
      name: "apus",
      dependencies: [
        "AWSImport", "Bench", "FlowLogAudit", "FlowLogs", "Reachability", "Replay", "Report",
        "VPCModel", "TableCompiler", "Datapath", "Tables", "Wire", "CapturePort",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: slowPath),

    .target(
      name: "HostFile", dependencies: ["HostPlan", "VPCModel", "Wire"], swiftSettings: slowPath),
    .target(
      name: "Controller",
      dependencies: [
        "HostFile", "HostPlan", "VPCModel", "Wire",
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "GRDB", package: "GRDB.swift"),
      ], swiftSettings: slowPath),
    // The API: what is generated from proto/, and the server and client of it.
    .target(
      name: "ControlProtocol",
      dependencies: [
        .product(name: "GRPCCore", package: "grpc-swift-2"),
        .product(name: "GRPCProtobuf", package: "grpc-swift-protobuf"),
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ],
      swiftSettings: slowPath),
    .target(
      name: "ControlAPI",
      dependencies: [
        "ControlProtocol", "Controller", "HostPlan",
        .product(name: "GRPCCore", package: "grpc-swift-2"),
        .product(name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport"),
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOTLS", package: "swift-nio"),
        .product(name: "NIOHPACK", package: "swift-nio-http2"),
        .product(name: "NIOHTTP2", package: "swift-nio-http2"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "X509", package: "swift-certificates"),
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: slowPath),
    .executableTarget(
      name: "apusctl",
      dependencies: [
        "CapturePort", "ControlAPI", "ControlProtocol", "Controller",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ],
      swiftSettings: slowPath),
    .target(
      name: "Daemon",
      dependencies: [
        "Controller", "Explanation", "FlowLogs", "Gzip", "HostFile", "HostPlan", "KernelPort",
        "DPDKPort", "Live", "LockFree",
        "VPCModel", "TableCompiler", "Tables", "Datapath", "SlowPath", "Wire", "CDataplane",
        "CThreads", "CConfinement",
        .product(name: "Yams", package: "Yams"), .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
      ],
      swiftSettings: slowPath),
    .executableTarget(
      name: "apusd",
      dependencies: [
        "Daemon", "ControlAPI", "Controller", "HostFile", "HostPlan", "VPCModel",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: slowPath),
    .target(
      name: "VhostBroker",
      dependencies: ["CFileDescriptors", .product(name: "Logging", package: "swift-log")],
      swiftSettings: slowPath),
    .executableTarget(
      name: "apus-vhostd",
      dependencies: [
        "VhostBroker", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: slowPath),

    // Tests.
    .target(
      name: "ReferenceModel", dependencies: ["VPCModel", "Wire"], path: "Tests/ReferenceModel",
      swiftSettings: slowPath),
    .target(
      name: "ReferenceComparison",
      dependencies: ["ReferenceModel", "Replay", "CapturePort", "VPCModel"],
      path: "Tests/ReferenceComparison", swiftSettings: slowPath),
    .target(
      name: "WhatIf",
      dependencies: ["ReferenceModel", "Replay", "CapturePort", "VPCModel", "Wire"],
      path: "Tests/WhatIf", swiftSettings: slowPath),
    .executableTarget(
      name: "compare",
      dependencies: [
        "ReachComparison", "ReferenceComparison", "ReferenceModel", "Reachability", "VPCModel",
        "WhatIf",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], path: "Tests/compare", swiftSettings: slowPath),
    .target(
      name: "Simulation",
      dependencies: [
        "ReferenceModel", "VPCModel", "TableCompiler", "Tables", "Datapath", "Live", "SlowPath",
        "Wire",
      ], path: "Tests/Simulation", swiftSettings: slowPath),
    .executableTarget(
      name: "simulate",
      dependencies: [
        "Simulation", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], path: "Tests/simulate", exclude: ["mutations"], swiftSettings: slowPath),
    .testTarget(
      name: "SimulationTests",
      dependencies: [
        "ReferenceModel", "Simulation", "TableCompiler", "VPCModel", "Wire", "simulate",
      ]),
    .testTarget(
      name: "FlowLogsTests",
      dependencies: [
        "FlowLogs", "Datapath", "Explanation", "Tables", "TestPackets", "VPCModel", "Wire",
      ]),
    .testTarget(name: "WireTests", dependencies: ["TestPackets", "Wire"]),
    .testTarget(name: "CapturePortTests", dependencies: ["CapturePort"]),
    .target(
      name: "ControllerTestSupport", dependencies: ["Controller", "HostPlan", "VPCModel"],
      path: "Tests/ControllerTestSupport", swiftSettings: slowPath),
    .executableTarget(
      name: "killed-controller",
      dependencies: ["Controller", "ControllerTestSupport"], path: "Tests/killed-controller",
      swiftSettings: slowPath),
    .executableTarget(
      name: "measure-controller",
      dependencies: ["Controller", "ControllerTestSupport", "VPCModel"],
      path: "Tests/measure-controller", swiftSettings: slowPath),
    .testTarget(
      name: "ControllerTests",
      dependencies: [
        "Controller", "ControllerTestSupport", "HostPlan", "VPCModel", "Wire", "killed-controller",
        .product(name: "GRDB", package: "GRDB.swift"),
      ]),
    .testTarget(name: "VPCModelTests", dependencies: ["ReferenceModel", "VPCModel", "Wire"]),
    .testTarget(
      name: "TableCompilerTests", dependencies: ["TableCompiler", "Tables", "VPCModel", "Wire"]),
    .testTarget(
      name: "ReferenceModelTests", dependencies: ["ReferenceModel", "VPCModel", "Wire"]),
    .testTarget(name: "SlowPathTests", dependencies: ["SlowPath", "VPCModel", "Wire"]),
    .testTarget(
      name: "ReplayTests",
      dependencies: [
        "Replay", "Explanation", "FlowLogs", "apus", "VPCModel", "TableCompiler", "Tables",
        "Datapath", "CapturePort", "Wire",
      ]),
    .testTarget(
      name: "AWSImportTests",
      dependencies: [
        "AWSImport", "apus", "CapturePort", "Replay", "TestPackets", "VPCModel", "Wire",
      ],
      exclude: ["Fixtures", "Moto"]),
    .target(
      name: "ReachComparison",
      dependencies: [
        "CapturePort", "Reachability", "ReferenceModel", "Replay", "TestPackets", "VPCModel",
        "Wire",
      ],
      path: "Tests/ReachComparison", swiftSettings: slowPath),
    .testTarget(
      name: "ReachabilityTests",
      dependencies: [
        "ReachComparison", "Reachability", "ReferenceModel", "apus", "TestPackets", "VPCModel",
        "Wire",
      ]),
    .testTarget(
      name: "FlowLogAuditTests",
      dependencies: [
        "FlowLogAudit", "FlowLogs", "Reachability", "Replay", "apus", "CapturePort", "TestPackets",
        "VPCModel", "Wire",
      ]),
    .target(name: "CMallocCounter", path: "Tests/CMallocCounter"),
    .testTarget(
      name: "AllocationTests",
      dependencies: [
        "CMallocCounter", "ReferenceModel", "TableCompiler", "Datapath", "Tables", "VPCModel",
        "Wire",
      ]),
    .testTarget(name: "LayoutTests", dependencies: ["Datapath", "Tables"]),
    .testTarget(name: "TidyTests", dependencies: ["Wire"]),
    .target(
      name: "TestPackets", dependencies: ["Wire"], path: "Tests/TestPackets",
      swiftSettings: slowPath),
    .testTarget(name: "BenchTests", dependencies: ["Bench", "Replay", "VPCModel", "Wire"]),
    .testTarget(name: "TablesTests", dependencies: ["Tables", "TestPackets", "Wire"]),
    .testTarget(
      name: "DatapathTests",
      dependencies: ["Datapath", "TableCompiler", "Tables", "TestPackets", "VPCModel", "Wire"]),
    .testTarget(
      name: "HostileTests",
      dependencies: [
        "Datapath", "SlowPath", "TableCompiler", "Tables", "TestPackets", "VPCModel", "Wire",
      ]),
    .testTarget(
      name: "ConformanceTests",
      dependencies: [
        "ReferenceComparison", "ReferenceModel", "Replay", "CapturePort", "VPCModel", "WhatIf",
        "Wire",
      ]),
    .testTarget(
      name: "ReplayOutputTests",
      dependencies: ["Replay", "CapturePort", "TestPackets", "VPCModel", "Wire"]),
    .testTarget(
      name: "ReportTests",
      dependencies: [
        "Report", "Replay", "Explanation", "FlowLogs", "apus", "VPCModel", "Datapath", "Tables",
        "Wire",
        .product(name: "Crypto", package: "swift-crypto"),
      ],
      exclude: ["Browser"]),
    .testTarget(name: "PeerTests", dependencies: ["apus"]),
    .testTarget(name: "LockFreeTests", dependencies: ["LockFree"]),
    .testTarget(
      name: "LiveTests",
      dependencies: [
        "Live", "LockFree", "Datapath", "TableCompiler", "Tables", "TestPackets", "VPCModel",
        "Wire",
      ]),
    .testTarget(
      name: "KernelPortTests",
      dependencies: ["CXDP", "KernelPort", "HostPlan", "Live", "Datapath", "Wire"]),
    .executableTarget(
      name: "DPDKPortProbe",
      dependencies: [
        "DPDKPort", "HostPlan", "Live", "Datapath",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], path: "Tests/DPDKPortProbe", swiftSettings: slowPath),
    .testTarget(
      name: "DPDKPortTests",
      dependencies: ["CDPDK", "DPDKPort", "HostPlan", "Live", "Datapath", "DPDKPortProbe"]),
    .testTarget(
      name: "DaemonTests",
      dependencies: [
        "apus", "apusd", "CapturePort", "Controller", "Daemon", "FlowLogs", "HostPlan", "SlowPath",
        "TableCompiler", "Tables",
        "Datapath", "Live", "LockFree", "TestPackets", "VPCModel", "Wire", "confinement-probe",
        .product(name: "Logging", package: "swift-log"),
      ]),
    .executableTarget(
      name: "confinement-probe", dependencies: ["CConfinement"],
      path: "Tests/confinement-probe",
      cSettings: [.unsafeFlags(["-O2", "-Wall", "-Werror"])]),
    .testTarget(
      name: "ControlAPITests",
      dependencies: [
        "CMallocCounter", "CapturePort", "ControlAPI", "ControlProtocol", "Controller",
        "ControllerTestSupport", "apus", "apusctl",
        .product(name: "GRPCCore", package: "grpc-swift-2"),
        .product(name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport"),
        .product(name: "GRPCProtobuf", package: "grpc-swift-protobuf"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "X509", package: "swift-certificates"),
        .product(name: "Crypto", package: "swift-crypto"),
      ],
      exclude: ["Peer"]),
    .testTarget(
      name: "VhostBrokerTests", dependencies: ["VhostBroker", "CFileDescriptors", "apus-vhostd"],
      exclude: ["Guest"]),
    .executableTarget(
      name: "hostile-guest", path: "Tests/hostile-guest",
      cSettings: [.unsafeFlags(["-O2", "-Wall", "-Werror"])]),
    .testTarget(
      name: "IntegrationTests",
      dependencies: ["apus", "apusd", "apusctl", "apus-vhostd", "hostile-guest"],
      exclude: ["Models"]),

    // Fuzzing: what is run for each input; tests run the kept ones.
    .target(name: "CMemoryFile", path: "Tests/CMemoryFile"),
    .target(name: "FuzzSupport", path: "Tests/FuzzSupport", swiftSettings: slowPath),
    .target(
      name: "FrameFuzzing", dependencies: ["FuzzSupport", "Wire"], path: "Tests/FrameFuzzing",
      swiftSettings: slowPath),
    .target(
      name: "TunnelFuzzing",
      dependencies: ["FuzzSupport", "VPCModel", "TableCompiler", "Tables", "Datapath", "Wire"],
      path: "Tests/TunnelFuzzing", swiftSettings: slowPath),
    .target(
      name: "PacketFuzzing",
      dependencies: [
        "FuzzSupport", "TunnelFuzzing", "ReferenceModel", "Replay", "Explanation", "SlowPath",
        "VPCModel",
        "TableCompiler", "Tables", "Datapath", "Wire",
      ], path: "Tests/PacketFuzzing", swiftSettings: slowPath),
    .target(
      name: "InputFuzzing",
      dependencies: [
        "AWSImport", "FlowLogAudit", "FlowLogs", "FuzzSupport", "CapturePort",
        "CFileDescriptors", "CMemoryFile", "CXDP", "Datapath", "KernelPort", "Live",
        "VhostBroker", "VPCModel",
      ], path: "Tests/InputFuzzing", swiftSettings: slowPath),
    .target(
      name: "ControlFuzzing",
      dependencies: [
        "FuzzSupport", "ControlAPI", "ControlProtocol", "Controller", "Daemon", "VPCModel",
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ], path: "Tests/ControlFuzzing", swiftSettings: slowPath),
    .testTarget(
      name: "FuzzTests",
      dependencies: [
        "ControlFuzzing", "FrameFuzzing", "FuzzSupport", "InputFuzzing", "PacketFuzzing",
        "TunnelFuzzing",
      ],
      exclude: ["Corpus"]),
  ] + (Context.environment["APUS_FUZZ"] == nil ? [] : fuzzPrograms)
)

// Of the targets, those that some tests need, by APUS_TESTS; no gRPC, TLS or database is built for the
// engine's. For builds of their own, as scripts/coverage and scripts/sanitize make them.
if let tests = Context.environment["APUS_TESTS"] {
  var wanted = tests.split(whereSeparator: \.isWhitespace).map(String.init)
  var kept: Set<String> = []
  var packages: Set<String> = []
  while let name = wanted.popLast() {
    guard kept.insert(name).inserted else { continue }
    for dependency in package.targets.first(where: { $0.name == name })?.dependencies ?? [] {
      switch dependency {
      case .byNameItem(let name, _): wanted.append(name)
      case .productItem(_, let package, _, _): packages.insert(package ?? "")
      default: break
      }
    }
  }
  package.targets.removeAll { !kept.contains($0.name) }
  package.products = []
  package.dependencies.removeAll { dependency in
    guard case .sourceControl(_, let location, _) = dependency.kind else { return false }
    return !packages.contains { location.hasSuffix("/" + $0) || location.hasSuffix("/\($0).git") }
  }
}
