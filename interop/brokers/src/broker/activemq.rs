//! Debian's ActiveMQ, in a folder of its own, with STOMP only.

use std::path::Path;

use tokio::process::Command;

use super::{Start, write};

pub(super) fn prepare(folder: &Path, port: u16) -> Result<Start, String> {
    let config = folder.join("activemq.xml");
    write(&config, &configuration(folder, port))?;
    let mut broker = Command::new("java");
    // A small heap, and no time for the best code: it lives for some seconds.
    broker.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-Dactivemq.home=/usr/share/activemq"]);
    for what in ["base", "conf", "data"] {
        broker.arg(format!("-Dactivemq.{what}={}", folder.display()));
    }
    broker.args(["-jar", "/usr/share/activemq/bin/activemq.jar", "start"]);
    broker.arg(format!("xbean:file:{}", config.display()));
    Ok(Start { broker, beside: None })
}

fn configuration(folder: &Path, port: u16) -> String {
    let data = folder.join("data");
    let data = data.display();
    format!(
        r#"<beans xmlns="http://www.springframework.org/schema/beans"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
  xsi:schemaLocation="http://www.springframework.org/schema/beans
    http://www.springframework.org/schema/beans/spring-beans-2.0.xsd
    http://activemq.apache.org/schema/core
    http://activemq.apache.org/schema/core/activemq-core.xsd">
  <broker xmlns="http://activemq.apache.org/schema/core" brokerName="tidings" useJmx="false"
      dataDirectory="{data}">
    <destinationPolicy><policyMap><policyEntries>
      <policyEntry queue="&gt;"><deadLetterStrategy>
        <sharedDeadLetterStrategy processNonPersistent="true"/>
      </deadLetterStrategy></policyEntry>
    </policyEntries></policyMap></destinationPolicy>
    <persistenceAdapter>
      <kahaDB directory="{data}/kahadb" journalMaxFileLength="8mb"/>
    </persistenceAdapter>
    <transportConnectors>
      <transportConnector name="stomp" uri="stomp://127.0.0.1:{port}"/>
    </transportConnectors>
  </broker>
</beans>
"#
    )
}
