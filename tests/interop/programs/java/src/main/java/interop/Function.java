// The function that every language has here, for the Java runtime interface client: it does what its event says.
package interop;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.Map;

public final class Function implements RequestHandler<Map<String, Object>, Object> {
    public Function() {
        if (System.getenv("FAIL_INIT") != null) {
            throw new IllegalStateException("no init today");
        }
        Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("asked to end")));
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

    private static void sleep() {
        try {
            Thread.sleep(3_600_000);
        } catch (InterruptedException interrupted) {
            throw new IllegalStateException(interrupted);
        }
    }
}
