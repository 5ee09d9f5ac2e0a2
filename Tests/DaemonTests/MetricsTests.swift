import Foundation
import Testing

@testable import Daemon

@Suite struct MetricsTests {
  @Test func textIsWhatTheFormatAsksFor() throws {
    var text = OpenMetricsText()
    text.family("apus_port_received_bytes", .counter, unit: "bytes", help: "Bytes.")
    text.sample([("port", "a\"b\\c\nd")], 7)
    text.family("apus_connections", .gauge, help: "Tracked connections.")
    text.sample([], .max)
    #expect(
      text.finished() == """
        # TYPE apus_port_received_bytes counter
        # UNIT apus_port_received_bytes bytes
        # HELP apus_port_received_bytes Bytes.
        apus_port_received_bytes_total{port="a\\"b\\\\c\\nd"} 7
        # TYPE apus_connections gauge
        # HELP apus_connections Tracked connections.
        apus_connections 18446744073709551615
        # EOF

        """)
    let parsed = try OpenMetricsParser(text.finished())
    #expect(parsed.value("apus_port_received_bytes_total", ["port": "a\"b\\c\nd"]) == 7)
  }

  @Test(arguments: [
    "", "a 1\n# EOF\n", "# TYPE a counter\n# HELP a x\na 1\n# EOF\n",
    "# TYPE a counter\n# UNIT a bytes\n# HELP a x\na_total 1\n# EOF\n",
    "# TYPE a gauge\n# HELP a x\na{b=\"} 1\n# EOF\n", "# TYPE a gauge\na 1\n# EOF\n",
    "# TYPE a gauge\n# HELP a x\na 1\na 2\n# EOF\n", "# TYPE a gauge\n# HELP a x\na 1\n",
  ])
  func parserIsStrict(_ text: String) {
    #expect(throws: OpenMetricsParser.Fault.self) { try OpenMetricsParser(text) }
  }

  // MARK: Over HTTP

  private func server(_ text: String = "# EOF\n") throws -> MetricsServer {
    try MetricsServer(LoopbackAddress("127.0.0.1:0")) { text }
  }

  /// What comes back for some bytes, until the server closes.
  private func exchange(_ port: Int, _ request: String) throws -> String {
    let connection = try Connection(port: port)
    connection.send(request)
    return connection.readToEnd()
  }

  @Test func scraped() throws {
    let server = try server("# TYPE a gauge\n# HELP a x\na 1\n# EOF\n")
    defer { server.stop() }
    let answer = try exchange(server.port, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    let parts = answer.components(separatedBy: "\r\n\r\n")
    #expect(parts[0].hasPrefix("HTTP/1.1 200 OK\r\n"))
    #expect(
      parts[0].contains("Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8"))
    #expect(try OpenMetricsParser(parts[1]).value("a") == 1)
  }

  @Test(arguments: [
    ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "404"),
    ("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "405"),
    ("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "200"),
    ("GET /metrics?x=1 HTTP/1.0\r\n\r\n", "200"), ("nonsense\r\n\r\n", "400"),
  ])
  func answers(_ request: String, _ status: String) throws {
    let server = try server()
    defer { server.stop() }
    #expect(try exchange(server.port, request).dropFirst(9).hasPrefix(status))
  }

  @Test func largeRequestsAreCutOff() throws {
    let server = try server()
    defer { server.stop() }
    let field = "X: " + String(repeating: "x", count: 1000) + "\r\n"
    let request = "GET /metrics HTTP/1.1\r\n" + String(repeating: field, count: 1000)
    #expect(try !exchange(server.port, request).contains("200 OK"))
  }

  @Test func connectionsAreBounded() throws {
    let server = try server()
    defer { server.stop() }
    var held: [Connection] = []
    for _ in 0..<MetricsServer.connections {
      let connection = try Connection(port: server.port)
      connection.send("GET /metrics HTTP/1.1\r\n")
      held.append(connection)
    }
    let late = try Connection(port: server.port)
    late.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    #expect(late.readToEnd() == "")
    held[0].send("Host: x\r\n\r\n")
    #expect(held[0].readToEnd().contains("200 OK"))
  }

  @Test func takenAddressIsSaid() throws {
    let first = try server()
    defer { first.stop() }
    let error = #expect(throws: DaemonFailure.self) {
      try MetricsServer(LoopbackAddress("127.0.0.1:\(first.port)")) { "" }
    }
    #expect(error?.code == .resource)
    #expect(error?.lines.first?.contains("ss -ltnp") == true)
  }
}

/// A TCP connection to this machine with deadlines.
private final class Connection {
  struct Refused: Error {}
  private let descriptor: Int32

  init(port: Int) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var patience = timeval(tv_sec: 20, tv_usec: 0)
    let size = socklen_t(MemoryLayout<timeval>.size)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, size)
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, size)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    if result != 0 { throw Refused() }
  }

  deinit { close(descriptor) }

  func send(_ text: String) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let sent = Array(rest).withUnsafeBytes {
        Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      if sent <= 0 { return }
      rest = rest.dropFirst(sent)
    }
  }

  func readToEnd() -> String {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = recv(descriptor, &chunk, chunk.count, 0)
      if count <= 0 { return String(decoding: bytes, as: UTF8.self) }
      bytes += chunk[..<count]
    }
  }
}
