import FuzzSupport

/// The targets of who operates a host.
public enum ControlTargets {
  public static let all: [FuzzTarget] = [.hostFile, .request]
}
