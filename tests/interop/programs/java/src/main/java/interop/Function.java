// The function that every language has here, for the Java runtime interface client: it does what its event says.
package interop;

import com.amazonaws.services.lambda.crac.Core;
import com.amazonaws.services.lambda.crac.Resource;
import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

public final class Function implements RequestHandler<Map<String, Object>, Object>, Resource {
    public Function() {
        if (System.getenv("FAIL_INIT") != null) {
            throw new IllegalStateException("no init today");
        }
        Core.getGlobalContext().register(this);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("asked to end")));
    }

    @Override
    public void beforeCheckpoint(
            com.amazonaws.services.lambda.crac.Context<? extends Resource> context) {
        hook("before snapshot");
    }

    @Override
    public void afterRestore(
            com.amazonaws.services.lambda.crac.Context<? extends Resource> context) {
        hook("after restore");
    }

    private static void hook(String name) {
        System.out.println(name);
        if (name.equals(System.getenv("FAIL_HOOK"))) {
            throw new IllegalStateException(name + " failed");
        }
    }

    @Override
    public Object handleRequest(Map<String, Object> event, Context context) {
        String what = (String) event.get("do");
        context.getLogger().log("to do: " + what + "\n");
        switch (what) {
            case "echo":
                return event;
            case "tell":
                return Map.of(
                        "id", context.getAwsRequestId(),
                        "arn", context.getInvokedFunctionArn(),
                        "left", context.getRemainingTimeInMillis(),
                        "trace", System.getProperty("com.amazonaws.xray.traceHeader"));
            case "meet":
                return Map.of("id", context.getAwsRequestId(), "read", read((String) event.get("gate")));
            case "fail":
                throw new IllegalArgumentException("as asked");
            case "crash":
                Runtime.getRuntime().halt(7);
            case "sleep":
                sleep();
            case "grow":
                return "x".repeat((Integer) event.get("size"));
            default:
                throw new UnsupportedOperationException(what);
        }
    }

    private static String read(String gate) {
        try {
            return Files.readString(Path.of(gate));
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
    }

    private static void sleep() {
        try {
            Thread.sleep(3_600_000);
        } catch (InterruptedException interrupted) {
            throw new IllegalStateException(interrupted);
        }
    }
}
