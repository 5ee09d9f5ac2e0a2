import Foundation
import Testing

/// What the daemon logs of guests' packets is what the guests saw, packet by packet and byte by byte.
@Suite(
  .serialized, .enabled(if: TwoHosts.obstacle == nil, "\(TwoHosts.obstacle ?? "")"),
  .timeLimit(.minutes(5)))
struct FlowLogTests {
  private static let format =
    ", interval: 60, format: '${version} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} "
    + "${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status} "
    + "${vpc-id} ${tcp-flags} ${flow-direction} ${reject-reason} ${apus-rule} ${apus-reason}'"

  /// Counts IPv4 packets at a guest's interface until a file is there, then writes what it counted.
  private static let sniffer = """
    import collections, os, socket, struct, sys
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.bind(("eth0", 0)); s.settimeout(0.1)
    counts = collections.defaultdict(lambda: [0, 0])
    open(sys.argv[1] + ".ready", "w").close()
    while True:
        try: frame, meta = s.recvfrom(70000)
        except socket.timeout:
            if os.path.exists(sys.argv[1] + ".end"): break
            continue
        if frame[12:14] != b"\\x08\\x00": continue
        ip = frame[14:]; header = (ip[0] & 15) * 4
        ports = struct.unpack("!HH", ip[header:header + 4]) if ip[9] in (6, 17) else (0, 0)
        way = "egress" if meta[2] == socket.PACKET_OUTGOING else "ingress"
        key = "%s %s %s %d %d %d" % (
            way, socket.inet_ntoa(ip[12:16]), socket.inet_ntoa(ip[16:20]), *ports, ip[9])
        counts[key][0] += 1; counts[key][1] += struct.unpack("!H", ip[2:4])[0]
    with open(sys.argv[1], "w") as out:
        for key, (packets, size) in counts.items(): out.write("%s = %d %d\\n" % (key, packets, size))
    """

  /// Answers each connection with what it got, twice.
  private static let server = """
    import socket
    s = socket.create_server(("0.0.0.0", 7001))
    for _ in range(2):
        c, _ = s.accept()
        while True:
            data = c.recv(1000)
            if not data: break
            c.sendall(data)
        c.close()
    """

  private static let client = """
    import socket
    s = socket.create_connection(("10.0.0.12", 7001), 5)
    for n in range(20):
        s.sendall(bytes(500)); got = 0
        while got < 500: got += len(s.recv(500))
    s.close()
    r = socket.socket(); r.settimeout(1.3)
    try: r.connect(("10.0.0.12", 8001))
    except OSError: pass
    """

  private static func start(_ hosts: TwoHosts, _ guest: Int, _ line: String) throws -> Process {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/timeout")
    process.arguments = ["400", "ip", "netns", "exec", hosts.guest(guest), "bash", "-c", line]
    process.standardInput = FileHandle.nullDevice
    try process.run()
    return process
  }

  /// `ingress 10.0.0.11 10.0.0.12 1 2 6` with packets and bytes.
  private static func counted(_ hosts: TwoHosts, _ guest: Int) throws -> [String: [Int]] {
    let text = try String(contentsOf: hosts.file("sniffed\(guest)"), encoding: .utf8)
    var counts: [String: [Int]] = [:]
    for line in text.split(separator: "\n") {
      let parts = line.components(separatedBy: " = ")
      counts[parts[0]] = parts[1].split(separator: " ").compactMap { Int($0) }
    }
    return counts
  }

  /// Files of a host's flow log, whole ones.
  private static func files(_ hosts: TwoHosts, _ number: Int) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: hosts.flowLogs(number).path).sorted()
  }

  /// Records of all files of a host, as words.
  private static func records(_ hosts: TwoHosts, _ number: Int) throws -> [[String]] {
    try files(hosts, number).flatMap { name in
      #expect(name.hasPrefix("flowlog_20") && name.hasSuffix(".log.gz"), "\(name)")
      let path = hosts.flowLogs(number).appending(path: name).path
      return try TwoHosts.shell("gunzip -c \(path)").split(separator: "\n").dropFirst().map {
        line in
        line.split(separator: " ").map(String.init)
      }
    }
  }

  /// Records of IPv4 flows, added up over intervals: an expected key and the action.
  private static func sums(_ records: [[String]], of interface: String) -> [String: [Int]] {
    var sums: [String: [Int]] = [:]
    for words in records where words[12] == "OK" && !words[2].contains(":") {
      #expect(words[1] == interface && words[13] == "v" && words[16] == "-")
      // The first packet of all finds a next hop unknown, as the host's counters say too.
      let isFirst = words[11] == "REJECT" && words[18] == "underlay.neighbor" && words[7] == "1"
      let end = isFirst ? ["ACCEPT", "-"] : [words[11], words[18]]
      let key = ([words[15]] + words[2...6] + end).joined(separator: " ")
      let counts = [Int(words[7]) ?? -1, Int(words[8]) ?? -1]
      sums[key] = [(sums[key]?[0] ?? 0) + counts[0], (sums[key]?[1] ?? 0) + counts[1]]
    }
    return sums
  }

  /// That the model says the same of every record.
  private static func compare(_ hosts: TwoHosts, _ number: Int) throws {
    let executable = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
      .appending(path: "apus").path
    let logs = try files(hosts, number).map {
      "--compare-flow-log \(hosts.flowLogs(number).appending(path: $0).path)"
    }
    let text = try TwoHosts.shell(
      "\(executable) replay --rules \(hosts.file("vpc\(number).yaml").path) "
        + logs.joined(separator: " "))
    #expect(text.contains("agree  ") && text.contains("differ                    0\n"), "\(text)")
  }

  @Test(arguments: [1, 2])
  func recordsAreWhatGuestsSent(workers: Int) throws {
    let hosts = try TwoHosts(
      workers: workers, flowLog: Self.format,
      ingress: ["{id: web, protocol: tcp, ports: 7001, from: 10.0.0.0/16}"])
    for (name, text) in [("sniff", Self.sniffer), ("serve", Self.server), ("ask", Self.client)] {
      try text.write(to: hosts.file("\(name).py"), atomically: true, encoding: .utf8)
    }
    var sniffers: [Process] = []
    for guest in 1...2 {
      let out = hosts.file("sniffed\(guest)").path
      sniffers.append(
        try Self.start(hosts, guest, "exec python3 \(hosts.file("sniff.py").path) \(out)"))
      try TwoHosts.eventually("guest \(guest) counts") {
        FileManager.default.fileExists(atPath: out + ".ready")
      }
    }
    for number in 1...2 { try hosts.start(number) }
    let server = try Self.start(hosts, 2, "exec python3 \(hosts.file("serve.py").path)")
    try TwoHosts.eventually("guest 1 reaches guest 2") {
      (try? hosts.inGuest(1, "ping -c 1 -W 1 10.0.0.12")) != nil
    }
    try hosts.inGuest(1, "ping -c 5 -i 0.2 -s 300 -W 2 10.0.0.12")
    try hosts.inGuest(1, "python3 \(hosts.file("ask.py").path)")
    // An interval may have ended meanwhile.
    let open = try hosts.metric(2, "apus_flow_log_open_records")
    #expect(try open + hosts.metric(2, "apus_flow_log_records_total") >= 3)
    if workers == 1 {
      // An interval ends, long after privileges were given up.
      for _ in 0..<3 where try Self.files(hosts, 1).count < 2 {
        try? TwoHosts.eventually("a file") { try Self.files(hosts, 1).count > 1 }
      }
      try TwoHosts.eventually("a file is told") {
        try hosts.metric(1, "apus_flow_log_files_total") >= 1
      }
    }
    // Another life: what was open is written, and nothing is counted twice.
    #expect(try hosts.stop(1) == 0)
    #expect(try Self.files(hosts, 1).allSatisfy { $0.hasSuffix(".log.gz") })
    try hosts.start(1)
    try TwoHosts.eventually("guest 1 reaches guest 2") {
      (try? hosts.inGuest(1, "ping -c 1 -W 1 10.0.0.12")) != nil
    }
    try hosts.inGuest(1, "python3 \(hosts.file("ask.py").path)")
    server.waitUntilExit()
    usleep(300_000)
    for number in 1...2 {
      #expect(try hosts.metric(number, "apus_flow_log_skipped_packets_total") == 0)
      #expect(try hosts.stop(number) == 0)
    }
    for guest in 1...2 {
      try Data().write(to: hosts.file("sniffed\(guest).end"))
      sniffers[guest - 1].waitUntilExit()
    }
    try check(hosts)
  }

  private func check(_ hosts: TwoHosts) throws {
    let first = try Self.counted(hosts, 1)
    for number in 1...2 {
      var expected: [String: [Int]] = [:]
      for (key, counts) in try Self.counted(hosts, number) { expected[key + " ACCEPT -"] = counts }
      if number == 2 {
        for (key, counts) in first where key.hasPrefix("egress") && key.contains(" 8001 6") {
          expected["in" + key.dropFirst(1) + " REJECT sg.ingress"] = counts
        }
        #expect(expected.keys.count { $0.hasSuffix("REJECT sg.ingress") } == 2)
      }
      let records = try Self.records(hosts, number)
      let sums = Self.sums(records, of: "eni-\(number)")
      #expect(sums == expected, "host \(number)")
      #expect(expected.keys.contains { $0.contains(" 7001 6 ACCEPT") })
      #expect(expected.keys.contains { $0.contains(" 0 0 1 ACCEPT") })
      for words in records {
        #expect(words[12] != "SKIPDATA" && words[0] == "8")
        let (start, end) = (Int(words[9]) ?? 0, Int(words[10]) ?? 0)
        #expect(start <= end && start / 60 >= end / 60 - 1, "\(words)")
      }
      try Self.compare(hosts, number)
    }
  }

  /// One takes over from another under traffic: what reached the guest is in one file or the other.
  @Test func aSuccessorCountsNothingTwice() throws {
    let hosts = try TwoHosts(isControlled: true, flowLog: Self.format)
    try Self.sniffer.write(to: hosts.file("sniff.py"), atomically: true, encoding: .utf8)
    for number in 1...2 { try hosts.start(number) }
    try TwoHosts.eventually("guest 1 reaches guest 2") {
      (try? hosts.inGuest(1, "ping -c 1 -W 1 10.0.0.12")) != nil
    }
    let out = hosts.file("sniffed2").path
    let sniffer = try Self.start(hosts, 2, "exec python3 \(hosts.file("sniff.py").path) \(out)")
    try TwoHosts.eventually("guest 2 counts") {
      FileManager.default.fileExists(atPath: out + ".ready")
    }
    let ping = try Self.start(hosts, 1, "exec ping -q -s 200 -c 400 -i 0.01 10.0.0.12 >&2")
    usleep(1_000_000)
    try hosts.start(2, takesOver: true)
    ping.waitUntilExit()
    try hosts.inGuest(1, "ping -c 3 -i 0.2 -s 200 -W 2 10.0.0.12")
    for number in 1...2 { #expect(try hosts.stop(number) == 0) }
    try Data().write(to: URL(filePath: out + ".end"))
    sniffer.waitUntilExit()
    let key = "ingress 10.0.0.11 10.0.0.12 0 0 1"
    let delivered = try #require(try Self.counted(hosts, 2)[key])
    let records = try Self.records(hosts, 2)
    let logged = try #require(Self.sums(records, of: "eni-2")[key + " ACCEPT -"])
    // And the ones before, of 84 bytes each.
    let earlier = (logged[1] - 228 * logged[0]) / (84 - 228)
    #expect(logged[0] - earlier == delivered[0] && delivered[0] > 300, "\(logged), \(delivered)")
    #expect(try Self.files(hosts, 2).count >= 2)
    #expect(!records.contains { $0[12] == "SKIPDATA" })
  }

  /// What was open when the daemon was killed is told as missing.
  @Test func aCrashIsTold() throws {
    let hosts = try TwoHosts(flowLog: Self.format)
    try hosts.start(1)
    try hosts.kill(1)
    let left = try Self.files(hosts, 1)
    #expect(left.count { $0.hasSuffix(".log.gz.tmp") } == 1, "\(left)")
    try hosts.start(1)
    #expect(try hosts.log(1).contains("a flow log was not finished"))
    #expect(try hosts.stop(1) == 0)
    let skipped = try Self.records(hosts, 1).filter { $0[12] == "SKIPDATA" }
    #expect(skipped.count == 1 && skipped[0][1] == "eni-1", "\(skipped)")
  }
}
