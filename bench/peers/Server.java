import jakarta.websocket.OnClose;
import jakarta.websocket.OnError;
import jakarta.websocket.OnMessage;
import jakarta.websocket.OnOpen;
import jakarta.websocket.Session;
import jakarta.websocket.server.ServerContainer;
import jakarta.websocket.server.ServerEndpoint;
import java.io.IOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.catalina.Context;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.servlets.DefaultServlet;
import org.apache.catalina.startup.Tomcat;
import org.apache.tomcat.websocket.server.WsSci;

/** Tomcat's WebSocket as a server: --kind echo|broadcast --octets N. Compresses for clients that offer it. */
public final class Server {
    private static final int DEFAULT_BUFFER_OCTETS = 8192;

    public static void main(String[] arguments) throws Exception {
        String kind = arguments[1];
        int octets = Integer.parseInt(arguments[3]);

        // Beside the classes, where the next run finds it again.
        URI folder = Server.class.getProtectionDomain().getCodeSource().getLocation().toURI();
        Tomcat tomcat = new Tomcat();
        tomcat.setBaseDir(Path.of(folder).resolve("base").toString());
        Connector connector = new Connector();
        connector.setProperty("address", "127.0.0.1");
        connector.setProperty("maxConnections", "20000");
        connector.setPort(0);
        tomcat.setConnector(connector);

        Context context = tomcat.addContext("", null);
        context.addServletContainerInitializer(new WsSci(), null);
        context.addServletContainerInitializer(
                (classes, servlets) -> {
                    ServerContainer container =
                            (ServerContainer) servlets.getAttribute(ServerContainer.class.getName());
                    int buffer = Math.max(octets, DEFAULT_BUFFER_OCTETS);
                    container.setDefaultMaxTextMessageBufferSize(buffer);
                    container.setDefaultMaxBinaryMessageBufferSize(buffer);
                    try {
                        container.addEndpoint(kind.equals("echo") ? Echo.class : Broadcast.class);
                    } catch (jakarta.websocket.DeploymentException error) {
                        throw new jakarta.servlet.ServletException(error);
                    }
                },
                null);
        // Filters, and WebSocket is one, are called only where there is a servlet.
        Tomcat.addServlet(context, "default", new DefaultServlet()).addMapping("/");
        tomcat.start();
        System.out.println("listening on 127.0.0.1:" + connector.getLocalPort());
        tomcat.getServer().await();
    }

    @ServerEndpoint("/")
    public static final class Echo {
        @OnMessage
        public String echo(String text) {
            return text;
        }

        @OnMessage
        public ByteBuffer echo(ByteBuffer octets) {
            return octets;
        }

        @OnError
        public void failed(Throwable error) {
            // The clients reset what they are done with.
        }
    }

    @ServerEndpoint("/")
    public static final class Broadcast {
        private static final Set<Session> SESSIONS = ConcurrentHashMap.newKeySet();

        @OnOpen
        public void opened(Session session) {
            SESSIONS.add(session);
        }

        @OnMessage
        public void send(String text) throws IOException {
            for (Session session : SESSIONS) {
                session.getBasicRemote().sendText(text);
            }
        }

        @OnClose
        public void closed(Session session) {
            SESSIONS.remove(session);
        }

        @OnError
        public void failed(Throwable error) {
            // As above.
        }
    }

    private Server() {}
}
