import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HexFormat;

/** The example handler in Java. It reads the event as bytes and says what it got. */
public class App implements RequestStreamHandler {
    @Override
    public void handleRequest(InputStream input, OutputStream output, Context context) throws IOException {
        byte[] event = input.readAllBytes();
        String seen;
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(event);
            seen = "{\"sha256\":\"" + HexFormat.of().formatHex(digest) + "\",\"length\":" + event.length + "}";
        } catch (java.security.NoSuchAlgorithmException impossible) {
            throw new IllegalStateException(impossible);
        }
        System.out.println("handler-called " + context.getAwsRequestId() + " " + seen);
        if (new String(event, StandardCharsets.UTF_8).contains("\"rawPath\":\"/fail\"")) {
            throw new IllegalStateException("failed on purpose");
        }
        String answer = "{\"statusCode\":200,\"headers\":{\"content-type\":\"application/json\"},\"body\":\""
                + seen.replace("\"", "\\\"") + "\"}";
        output.write(answer.getBytes(StandardCharsets.UTF_8));
    }
}
