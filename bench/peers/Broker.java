import org.apache.activemq.broker.BrokerService;
import org.apache.activemq.broker.TransportConnector;

/** ActiveMQ with STOMP, and otherwise as it is by default: at the address, and with its data in the folder. */
public class Broker {
    public static void main(String[] arguments) throws Exception {
        BrokerService broker = new BrokerService();
        broker.setBrokerName("bench");
        broker.setUseJmx(false);
        broker.setUseShutdownHook(false);
        broker.setDataDirectory(arguments[1]);
        TransportConnector connector = broker.addConnector("stomp+nio://" + arguments[0]);
        connector.setName("stomp");
        broker.start();
        broker.waitUntilStopped();
    }
}
