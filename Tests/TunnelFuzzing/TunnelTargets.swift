import FuzzSupport

/// What comes out of tunnels, without the reference model, for the same reason as `FrameTargets`.
public enum TunnelTargets {
  public static let all: [FuzzTarget] = [.decapsulation]
}
