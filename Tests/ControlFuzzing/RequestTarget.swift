import ControlAPI
import ControlProtocol
import Controller
import FuzzSupport
import SwiftProtobuf
import VPCModel

extension FuzzTarget {
  /// Requests to the control API, from their bytes to what the controller would publish.
  ///
  /// The first byte names the request. Of a change there are several messages, each behind two bytes
  /// of length; it is checked against a state that has objects already.
  public static let request = FuzzTarget(
    "request", maximumLength: 4_096, seeds: RequestTarget.seeds
  ) {
    let target = RequestTarget()
    return target.run
  }
}

final class RequestTarget {
  private static let messageLimit = 16
  private let budget = ByteBudget(limit: 1 << 20)
  private let configuration: ControllerConfiguration
  private let states: [DesiredState]

  init() {
    var configuration = ControllerConfiguration(stateDirectory: "/nowhere", version: "0")
    configuration.limits.objects = 1_000
    self.configuration = configuration
    let model: VPCModel
    do {
      model = try ModelLoader.load(texts: [(name: "fuzzed", text: Self.document)])
    } catch { fatalError("\(error)") }
    states = [DesiredState(model: VPCModel()), DesiredState(model: model)]
  }

  func run(_ input: UnsafeRawBufferPointer) -> String? {
    var reader = ByteReader(input)
    let control = reader.byte()
    switch control & 3 {
    case 0, 1: return change(Int(control & 1), &reader)
    case 2:
      let bytes = [UInt8](reader.rest())
      _ = try? TraceRequest(api: Apus_V1_TraceRequest(serializedBytes: bytes))
      if let header = try? Apus_V1_ShadowHeader(serializedBytes: bytes) {
        _ = try? ShadowRequest(ChangeRequest(.whole([])), api: header)
      }
      _ = try? ConnectionFilter(api: Apus_V1_ConnectionsRequest(serializedBytes: bytes))
      return nil
    default:
      let bytes = [UInt8](reader.rest())
      _ = try? CaptureRequest(api: Apus_V1_CaptureRequest(serializedBytes: bytes))
      return nil
    }
  }

  private func change(_ state: Int, _ reader: inout ByteReader) -> String? {
    var messages: [Apus_V1_ApplyRequest] = []
    for _ in 0..<Self.messageLimit where !reader.isAtEnd {
      let bytes = [UInt8](reader.take(Int(reader.word())))
      guard let message = try? Apus_V1_ApplyRequest(serializedBytes: bytes) else { return nil }
      messages.append(message)
    }
    guard let upload = try? Upload.receive(messages, budget: budget) else { return nil }
    let request = upload.change
    guard
      let prepared = try? PreparedChange.checked(
        request, on: states[state], configuration: configuration)
    else { return nil }
    // What was accepted is a whole state: the same request on it changes nothing more, unless it
    // deletes what is gone now.
    guard
      let again = try? PreparedChange.checked(
        request, on: prepared.state, configuration: configuration)
    else {
      if case .patch(_, let deletions) = request.content, !deletions.isEmpty { return nil }
      return "accepted once, then refused"
    }
    return again.state.model == prepared.state.model ? nil : "a second time it is another"
  }

  private static let document = """
    {"version": 1, "vpcs": [{"id": "blue", "vni": 100, "cidrs": ["10.0.0.0/16"]}],
     "subnets": [{"id": "a", "vpc": "blue", "cidrs": ["10.0.1.0/24"]}],
     "networkInterfaces": [{"id": "web", "subnet": "a", "mac": "02:00:00:00:00:0a",
      "addresses": ["10.0.1.10"], "securityGroups": ["sg"]}],
     "securityGroups": [{"id": "sg", "vpc": "blue",
      "ingress": [{"protocol": "tcp", "ports": 80, "from": "10.0.0.0/8"}]}]}
    """

  static func seeds() -> [[UInt8]] {
    func framed(_ message: some SwiftProtobuf.Message) -> [UInt8] {
      let bytes: [UInt8] = (try? message.serializedBytes()) ?? []
      return [UInt8(bytes.count >> 8), UInt8(bytes.count & 255)] + bytes
    }
    func header(_ scope: Apus_V1_Scope) -> [UInt8] {
      framed(Apus_V1_ApplyRequest.with { $0.header.scope = scope })
    }
    func chunk(_ text: String) -> [UInt8] {
      framed(
        Apus_V1_ApplyRequest.with {
          $0.chunk.name = "a"
          $0.chunk.text = .init(text.utf8)
        })
    }
    let deletion = framed(
      Apus_V1_ApplyRequest.with {
        $0.deletions.objects = [
          .with {
            $0.kind = "networkInterfaces"
            $0.id = "web"
          }
        ]
      })
    let group = #"{"securityGroups": [{"id": "sg", "vpc": "blue", "ingress": []}]}"#
    let port = #"{"ports": [{"eni": "web", "tap": "tap0"}]}"#
    let filter = Apus_V1_TraceRequest.with {
      $0.filter.networkInterface = "web"
      $0.filter.source = "10.0.0.0/8"
      $0.filter.protocol = 6
      $0.packets = 10
    }
    let trace: [UInt8] = (try? filter.serializedBytes()) ?? []
    return [
      [0] + header(.whole) + chunk(document), [1] + header(.patch) + chunk(group),
      [1] + header(.patch) + deletion, [1] + header(.patch) + chunk(port), [2] + trace,
      [3] + trace,
    ]
  }
}
