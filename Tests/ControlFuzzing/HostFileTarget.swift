import Daemon
import FuzzSupport
import VPCModel

extension FuzzTarget {
  /// Host files: refused with reasons, or a plan that can be held against a model.
  public static let hostFile = FuzzTarget("host-file", maximumLength: 2_048) {
    { input in
      do throws(ModelErrors) {
        let document = try HostDocument.load(
          text: String(decoding: input, as: UTF8.self), name: "fuzzed", processors: [0, 1, 2, 3])
        _ = try document.checked(against: VPCModel())
        return nil
      } catch { return error.errors.isEmpty ? "refused without a reason" : nil }
    }
  }
}
