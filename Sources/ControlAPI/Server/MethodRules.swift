import Controller
import GRPCCore

/// What the door of the API knows of a method.
struct MethodRule: Sendable {
  /// Any of these lets a caller in; the controller decides about the rest. Empty: the controller
  /// decides about all callers.
  var permissions: Set<Permission> = []
  /// What a caller without them may not do.
  var action = ""
  /// Calls that last until the caller ends them.
  var stays = false
  /// The caller may ask again at any time, so pauses are no fault.
  var isConversation = false

  /// All methods, by their path.
  static let all: [String: MethodRule] = {
    let anything = Set(Permission.allCases)
    let control = "/apus.v1.Control/"
    let probe = MethodRule(permissions: anything, action: "ask about the server")
    let watcher = MethodRule(permissions: anything, action: "ask about the server", stays: true)
    var conversation = watcher
    conversation.isConversation = true
    var shadow = MethodRule(permissions: [.apply, .ports], action: "change the state", stays: true)
    // The service itself refuses a candidate that is slow to arrive.
    shadow.isConversation = true
    return [
      // Asked before the documents are received, which may be many.
      control + "Apply": MethodRule(
        permissions: [.apply, .ports], action: "change the state"),
      control + "Get": MethodRule(), control + "Status": MethodRule(),
      control + "Counters": MethodRule(), control + "Connections": MethodRule(),
      control + "Watch": MethodRule(stays: true), control + "Trace": MethodRule(stays: true),
      control + "Capture": MethodRule(stays: true), control + "Shadow": shadow,
      control + "ReadAudit": MethodRule(), control + "VerifyAudit": MethodRule(),
      "/grpc.health.v1.Health/Check": probe,
      "/grpc.health.v1.Health/Watch": watcher,
      "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": conversation,
    ]
  }()
}
