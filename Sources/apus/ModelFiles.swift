import Glibc
import VPCModel

/// Loads model files, telling files that cannot be read from models that are refused.
enum ModelFiles {
  enum Failure: Error {
    case unreadable(path: String, why: String)
    case refused(ModelErrors)

    var commandFailure: CommandFailure {
      switch self {
      case .unreadable(let path, let why):
        CommandFailure(
          .input, what: path, why: "cannot be read: \(why)", advice: "check the path")
      case .refused(let errors): CommandFailure(errors)
      }
    }
  }

  /// The merged model of several files.
  static func load(_ paths: [String]) throws(CommandFailure) -> VPCModel {
    do { return try loadOrErrors(paths) } catch { throw error.commandFailure }
  }

  static func loadOrErrors(_ paths: [String]) throws(Failure) -> VPCModel {
    for path in paths { try checkReadable(path) }
    do { return try ModelLoader.load(paths: paths) } catch { throw .refused(error) }
  }

  private static func checkReadable(_ path: String) throws(Failure) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    var reason = errno
    if descriptor >= 0 {
      defer { close(descriptor) }
      var status = stat()
      if fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT != S_IFDIR { return }
      reason = EISDIR
    }
    throw .unreadable(path: path, why: String(cString: strerror(reason)))
  }
}
