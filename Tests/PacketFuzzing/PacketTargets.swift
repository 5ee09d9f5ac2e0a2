import FuzzSupport

/// The targets of the data plane.
public enum PacketTargets {
  public static let all: [FuzzTarget] = [
    .frame, .decapsulation, .fragments, .tracker, .classifier, .services, .pipeline,
  ]
}
