import Glibc

/// Threads of the system, which may wait for each other for as long as a test likes.
final class Threads {
  private var started: [pthread_t] = []

  private final class Body {
    let run: () -> Void
    init(_ run: @escaping () -> Void) { self.run = run }
  }

  func start(_ run: @escaping () -> Void) {
    var thread = pthread_t()
    let body = Unmanaged.passRetained(Body(run))
    let status = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, body.toOpaque())
    precondition(status == 0, "no thread")
    started.append(thread)
  }

  func join() {
    for thread in started { pthread_join(thread, nil) }
    started = []
  }
}
