import Foundation
import Testing

/// The API listens and answers: on the network that it is reached by, no packet is one that Apus
/// began. A sniffer watches that network's link from outside.
@Suite(
  .serialized, .enabled(if: TwoHosts.obstacle == nil, "\(TwoHosts.obstacle ?? "")"),
  .timeLimit(.minutes(3)))
struct PassiveTests {
  /// Tells of each IP packet that the host at `argv[2]` sent on `argv[1]`, a line each: protocol,
  /// ports, and whether it begins a TCP connection.
  private static let sniffer = """
    import socket, sys
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    link.bind((sys.argv[1], 0))
    own = socket.inet_aton(sys.argv[2])
    print("watching", flush=True)
    while True:
        frame = link.recv(65536)
        if frame[12:14] == b"\\x08\\x06":
            continue
        if frame[12:14] != b"\\x08\\x00":
            if frame[6:12] != bytes.fromhex("02bb00000002"):
                print("other", frame[12:14].hex(), flush=True)
            continue
        if frame[26:30] != own:
            continue
        at = 14 + (frame[14] & 15) * 4
        source, target = (int.from_bytes(frame[at + i:at + i + 2], "big") for i in (0, 2))
        begins = frame[23] == 6 and frame[at + 13] & 0x12 == 2
        print("ip", frame[23], source, target, "begins" if begins else "goes on", flush=True)
    """

  private static let certificates = """
    cd "$1"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority \
      -keyout ca.key -out ca.pem
    leaf() {
      openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1.key" \
        -out "$1.csr"
      printf 'subjectAltName=%s\\n' "$2" >"$1.ext"
      openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 1 \
        -extfile "$1.ext" -out "$1.pem"
    }
    leaf server IP:10.99.0.1
    leaf operator DNS:operator.example
    """

  private static let model = """
    host: {address: 192.0.2.1, mac: 02:aa:00:00:00:01, gatewayMAC: 02:aa:00:00:00:02}
    vpcs: [{id: v, vni: 7, cidrs: [10.0.0.0/16]}]
    subnets: [{id: s, vpc: v, cidrs: [10.0.0.0/24]}]
    securityGroups: [{id: sg, vpc: v, ingress: [{protocol: icmp, from: 0.0.0.0/0}]}]
    networkInterfaces:
      - {id: eni-1, subnet: s, mac: 02:00:00:00:00:01, addresses: [10.0.0.11], securityGroups: [sg]}
    mappings: [{vpc: v, address: 10.0.0.12, host: 192.0.2.2, mac: 02:00:00:00:00:02}]

    """

  private static func hostFile(_ folder: Folder) -> String {
    """
    runtime: kernel
    guests: [{eni: eni-1, interface: vm1}]
    workers: {count: 1}
    memory: {flows: 4096}
    runDirectory: \(folder.path("run"))
    control:
      stateDirectory: \(folder.path("state"))
      tls:
        address: 10.99.0.1
        certificates: \(folder.path("server.pem"))
        key: \(folder.path("server.key"))
        authorities: \(folder.path("ca.pem"))
        identities: {operator.example: [read, counters, apply, audit]}

    """
  }

  /// Packets that the host began, as the sniffer tells them.
  private static func begun(_ lines: String) -> [Substring] {
    lines.split(separator: "\n").filter { line in
      if line == "watching" { return false }
      let words = line.split(separator: " ")
      let answers = words.count > 3 && words[1] == "6" && words[2] == "6653"
      return !answers || line.hasSuffix("begins")
    }
  }

  @Test func nothingIsBegunOnTheControlNetwork() async throws {
    let folder = try Folder("passive")
    let script = try folder.write(Self.certificates, to: "certificates.sh")
    try await LabError.unlessDone(["bash", "-e", script, folder.path("")])
    let watcher = try folder.write(Self.sniffer, to: "sniffer.py")
    let rules = try folder.write(Self.model, to: "vpc.yaml")
    try await Namespace.with("passive") { host in
      try await Namespace.with("operator") { admin in
        try await Self.join(host, admin)
        let sniffer = try BackgroundProgram(
          admin.entry + ["python3", watcher, "adm", "10.99.0.1"], log: folder.url("frames"),
          seconds: 120)
        #expect(try await Waiting.until(seconds: 10) { sniffer.output.contains("watching") })
        try await Apus.with(
          host: Self.hostFile(folder), model: rules, folder: folder, in: host
        ) { _ in
          try await Self.use(folder, rules, from: admin)
          // Long enough for what would be sent of its own accord: neighbours, health, reports.
          try await Task.sleep(for: .seconds(3))
        }
        // It sees what goes by, and would see what is begun.
        #expect(sniffer.output.contains("ip 6 6653 "))
        #expect(Self.begun(sniffer.output) == [])
        _ = try await host.exec("ping -c 1 -W 1 10.99.0.2; true")
        let canary = try await Waiting.until(seconds: 5) {
          !Self.begun(sniffer.output).isEmpty
        }
        #expect(canary, "a packet that the host began was not seen: \(sniffer.output)")
        await sniffer.end()
      }
    }
  }

  /// The control network, and a guest's device. Without IPv6 the kernels are silent too.
  private static func join(_ host: Namespace, _ admin: Namespace) async throws {
    for namespace in [host, admin] {
      let quiet = try await namespace.exec("sysctl -qw net.ipv6.conf.all.disable_ipv6=1")
      #expect(quiet.status == 0, "\(quiet.output)")
    }
    try await host.ip("link add mgmt type veth peer name adm netns \(admin.name)")
    try await host.ip("addr add 10.99.0.1/24 dev mgmt")
    try await host.ip("link set mgmt up")
    try await admin.ip("link set adm address 02:bb:00:00:00:02")
    try await admin.ip("addr add 10.99.0.2/24 dev adm")
    try await admin.ip("link set adm up")
    try await host.ip("link add vm1 type veth peer name guest")
    try await host.ip("link set vm1 up")
    try await host.ip("link set guest up")
  }

  /// What an operator does: reads, changes, is refused, watches, leaves in the middle.
  private static func use(
    _ folder: Folder, _ rules: String, from admin: Namespace
  ) async throws {
    let way =
      "--address 10.99.0.1:6653 --ca \(folder.path("ca.pem")) "
      + "--cert \(folder.path("operator.pem")) --key \(folder.path("operator.key"))"
    let apus = Places.product("apus")
    let commands: [(String, Int32)] = [
      ("status", 0), ("get securityGroups", 0), ("counters", 0), ("flows", 0),
      ("diff --patch -f \(rules)", 0), ("audit verify", 0),
      ("delete mappings/v/10.0.0.12", 0), ("delete vpcs/v", 3),
      ("top --interval 0.2 --count 3", 0),
    ]
    for (command, code) in commands {
      let run = try await admin.exec("\(apus) \(command) \(way)")
      #expect(run.status == code, "\(command): \(run.output)")
    }
    // One that stops answering: what the daemon still has to say to it is no new packet.
    let gone = try await admin.exec("timeout -s KILL 1 \(apus) top --json --count 100 \(way)")
    #expect(gone.status != 0)
  }
}
