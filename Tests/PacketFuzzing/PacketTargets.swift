import FuzzSupport

/// The targets of the data plane that a model or a whole engine is compared with.
public enum PacketTargets {
  public static let all: [FuzzTarget] = [
    .fragments, .tracker, .classifier, .prefixes, .services, .pipeline,
  ]
}
