import ControlProtocol
import FoundationEssentials
import GRPCCore

/// `grpc.reflection.v1.ServerReflection`: tools learn the API without its files.
struct ReflectionService: Grpc_Reflection_V1_ServerReflection.ServiceProtocol {
  private let descriptors = ProtocolDescriptors()

  func serverReflectionInfo(
    request: StreamingServerRequest<Grpc_Reflection_V1_ServerReflectionRequest>,
    context: ServerContext
  ) async throws -> StreamingServerResponse<Grpc_Reflection_V1_ServerReflectionResponse> {
    let questions = request.messages
    return StreamingServerResponse { writer in
      for try await question in questions { try await writer.write(answer(question)) }
      return [:]
    }
  }

  private func answer(_ question: Grpc_Reflection_V1_ServerReflectionRequest)
    -> Grpc_Reflection_V1_ServerReflectionResponse
  {
    .with { answer in
      answer.validHost = question.host
      answer.originalRequest = question
      switch question.messageRequest {
      case .listServices:
        answer.listServicesResponse.service = descriptors.services.map { name in
          .with { $0.name = name }
        }
      case .fileByFilename(let name):
        Self.put(descriptors.file(named: name), "file \(Refusal.printable(name))", &answer)
      case .fileContainingSymbol(let name):
        Self.put(descriptors.file(declaring: name), "symbol \(Refusal.printable(name))", &answer)
      case .fileContainingExtension, .allExtensionNumbersOfType:
        Self.put(nil, "extension", &answer)
      case nil:
        answer.errorResponse = .with {
          $0.errorCode = Int32(Status.Code.invalidArgument.rawValue)
          $0.errorMessage = "the message asks nothing (set one field of message_request)"
        }
      }
    }
  }

  private static func put(
    _ files: [[UInt8]]?, _ what: String,
    _ answer: inout Grpc_Reflection_V1_ServerReflectionResponse
  ) {
    if let files {
      answer.fileDescriptorResponse.fileDescriptorProto = files.map { Data($0) }
      return
    }
    answer.errorResponse = .with {
      $0.errorCode = Int32(Status.Code.notFound.rawValue)
      $0.errorMessage = "\(what): not part of this API (list_services tells what is)"
    }
  }
}
