import FuzzSupport

/// The parser alone: libFuzzer looks at every counter of a program after each input, so a small
/// program tries ten times as many.
public enum FrameTargets {
  public static let all: [FuzzTarget] = [.frame]
}
