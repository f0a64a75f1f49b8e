package catalogue

import (
	"strings"

	"portrange/internal/port"
)

// Daemon is a program that offers a service on fixed ports.
type Daemon struct {
	Name string
	// Units are the names that distributions and makers give to its systemd
	// service, without the suffix. A template ends in @.
	Units []string
	// Ports are the ports it takes unless configured otherwise, from 1024 up,
	// as the kernel writes lists.
	Ports string
	// Source is the page or file that documents the ports.
	Source string
}

// iana is the registry of service names and port numbers (RFC 6335).
const iana = "https://www.iana.org/assignments/service-names-port-numbers"

// Daemons is the catalogue, by name.
func Daemons() []Daemon {
	return []Daemon{
		{"ActiveMQ", []string{"activemq"}, "1883,5672,8161,61613-61614,61616", "https://activemq.apache.org/components/classic/documentation/uri-protocols"},
		{"Alertmanager", []string{"alertmanager", "prometheus-alertmanager"}, "9093-9094", "https://prometheus.io/docs/alerting/latest/alertmanager/"},
		{"Asterisk", []string{"asterisk"}, "5060-5061", iana + " (sip, sips)"},
		{"Bacula", []string{"bacula-dir", "bacula-director", "bacula-fd", "bacula-sd"}, "9101-9103", iana + " (bacula-dir, bacula-fd, bacula-sd)"},
		{"Cassandra", []string{"cassandra"}, "7000-7001,7199,9042", "https://cassandra.apache.org/doc/latest/cassandra/reference/static.html"},
		{"Ceph monitor", []string{"ceph-mon@"}, "3300,6789", "https://docs.ceph.com/en/latest/rados/configuration/network-config-ref/"},
		{"Ceph OSD", []string{"ceph-osd@"}, "6800-7568", "https://docs.ceph.com/en/latest/rados/configuration/network-config-ref/"},
		{"ClickHouse", []string{"clickhouse-server"}, "8123,9000,9009", "https://clickhouse.com/docs/guides/sre/network-ports"},
		{"Consul", []string{"consul"}, "8300-8302,8500,8502-8503,8600", "https://developer.hashicorp.com/consul/docs/install/ports"},
		{"CouchDB", []string{"couchdb"}, "5984", iana + " (couchdb)"},
		{"distcc", []string{"distcc", "distccd"}, "3632", iana + " (distcc)"},
		{"Elasticsearch", []string{"elasticsearch"}, "9200,9300", "https://www.elastic.co/docs/reference/elasticsearch/configuration-reference/networking-settings"},
		{"Erlang port mapper", []string{"epmd"}, "4369", iana + " (epmd)"},
		{"etcd", []string{"etcd"}, "2379-2380", iana + " (etcd-client, etcd-server)"},
		{"FRRouting", []string{"frr"}, "2601-2623", "https://docs.frrouting.org/en/latest/setup.html"},
		{"git daemon", []string{"git-daemon"}, "9418", iana + " (git)"},
		{"GlusterFS", []string{"glusterd"}, "24007-24008", "https://docs.gluster.org/en/latest/Administrator-Guide/Setting-Up-Clients/"},
		{"gpsd", []string{"gpsd"}, "2947", iana + " (gpsd)"},
		{"Grafana", []string{"grafana-server"}, "3000", "https://grafana.com/docs/grafana/latest/setup-grafana/configure-grafana/"},
		{"Icinga", []string{"icinga2"}, "5665", "https://icinga.com/docs/icinga-2/latest/doc/09-object-types/#apilistener"},
		{"InfluxDB", []string{"influxdb", "influxd"}, "8086,8088", "https://docs.influxdata.com/influxdb/v1/administration/ports/"},
		{"iSCSI target", []string{"tgt", "iscsitarget", "rtslib-fb-targetctl", "target"}, "3260", iana + " (iscsi-target)"},
		{"Jenkins", []string{"jenkins"}, "8080", "https://www.jenkins.io/doc/book/installing/initial-settings/"},
		{"Kafka", []string{"kafka"}, "9092", "https://kafka.apache.org/documentation/#brokerconfigs_listeners"},
		{"Kibana", []string{"kibana"}, "5601", "https://www.elastic.co/docs/reference/kibana/configuration-reference/general-settings"},
		{"Kubernetes kubelet", []string{"kubelet"}, "10248,10250", "https://kubernetes.io/docs/reference/networking/ports-and-protocols/"},
		{"libvirt", []string{"libvirtd", "virtproxyd"}, "16509,16514", "https://libvirt.org/manpages/libvirtd.html"},
		{"Logstash", []string{"logstash"}, "9600", "https://www.elastic.co/docs/reference/logstash/logstash-settings-file"},
		{"memcached", []string{"memcached"}, "11211", iana + " (memcache)"},
		{"MinIO", []string{"minio"}, "9000", "https://min.io/docs/minio/linux/reference/minio-server/minio-server.html"},
		{"MongoDB", []string{"mongod", "mongodb"}, "27017-27019", "https://www.mongodb.com/docs/manual/reference/default-mongodb-port/"},
		{"Mosquitto", []string{"mosquitto"}, "1883", iana + " (mqtt)"},
		{"Munin node", []string{"munin-node"}, "4949", iana + " (munin)"},
		{"MySQL or MariaDB", []string{"mysql", "mysqld", "mariadb"}, "3306", iana + " (mysql)"},
		{"MySQL X protocol", []string{"mysql", "mysqld"}, "33060", iana + " (mysqlx)"},
		{"NATS", []string{"nats-server", "nats"}, "4222,6222,8222", "https://docs.nats.io/running-a-nats-service/configuration"},
		{"NBD server", []string{"nbd-server"}, "10809", iana + " (nbd)"},
		{"Neo4j", []string{"neo4j"}, "7473-7474,7687", "https://neo4j.com/docs/operations-manual/current/configuration/ports/"},
		{"NFS server", []string{"nfs-server", "nfs-kernel-server"}, "2049", iana + " (nfs)"},
		{"Node exporter", []string{"node_exporter", "prometheus-node-exporter"}, "9100", "https://github.com/prometheus/prometheus/wiki/Default-port-allocations"},
		{"Nomad", []string{"nomad"}, "4646-4648", "https://developer.hashicorp.com/nomad/docs/install/production/requirements"},
		{"NRPE", []string{"nrpe", "nagios-nrpe-server"}, "5666", "/etc/services (nrpe), https://github.com/NagiosEnterprises/nrpe"},
		{"NUT", []string{"nut-server"}, "3493", iana + " (nut)"},
		{"OpenVPN", []string{"openvpn", "openvpn@", "openvpn-server@"}, "1194", iana + " (openvpn)"},
		{"PgBouncer", []string{"pgbouncer"}, "6432", "https://www.pgbouncer.org/config.html"},
		{"Plex Media Server", []string{"plexmediaserver"}, "32400", iana + " (plex)"},
		{"PostgreSQL", []string{"postgresql", "postgresql@"}, "5432", iana + " (postgresql)"},
		{"Prometheus", []string{"prometheus"}, "9090", "https://github.com/prometheus/prometheus/wiki/Default-port-allocations"},
		{"Puppet server", []string{"puppetserver", "puppet-master"}, "8140", iana + " (puppet)"},
		{"RabbitMQ", []string{"rabbitmq-server"}, "4369,5671-5672,15672,25672", "https://www.rabbitmq.com/docs/networking"},
		{"RADIUS server", []string{"freeradius", "radiusd"}, "1812-1813", iana + " (radius, radius-acct)"},
		{"Redis Cluster bus", []string{"redis", "redis-server", "valkey", "valkey-server"}, "16379", "https://redis.io/docs/latest/operate/oss_and_stack/management/scaling/"},
		{"Redis or Valkey", []string{"redis", "redis-server", "valkey", "valkey-server"}, "6379", iana + " (redis)"},
		{"Redis Sentinel", []string{"redis-sentinel", "valkey-sentinel"}, "26379", "https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/"},
		{"Salt master", []string{"salt-master"}, "4505-4506", "https://docs.saltproject.io/en/latest/topics/tutorials/firewall.html"},
		{"Solr", []string{"solr"}, "8983", "https://solr.apache.org/guide/solr/latest/deployment-guide/securing-solr.html"},
		{"Squid", []string{"squid"}, "3128", "https://www.squid-cache.org/Doc/config/http_port/"},
		{"Subversion", []string{"svnserve"}, "3690", iana + " (svn)"},
		{"Syncthing", []string{"syncthing@"}, "8384,21027,22000", "https://docs.syncthing.net/users/firewall.html"},
		{"Tomcat", []string{"tomcat", "tomcat9", "tomcat10"}, "8005,8080", "https://tomcat.apache.org/tomcat-10.1-doc/config/http.html"},
		{"TURN server", []string{"coturn"}, "3478,5349", iana + " (turn, turns)"},
		{"Varnish", []string{"varnish"}, "6081-6082", "https://varnish-cache.org/docs/trunk/reference/varnishd.html"},
		{"Vault", []string{"vault"}, "8200-8201", "https://developer.hashicorp.com/vault/docs/configuration/listener/tcp"},
		{"WireGuard", []string{"wg-quick@"}, "51820", "https://www.wireguard.com/quickstart/"},
		{"xrdp", []string{"xrdp"}, "3389", iana + " (ms-wbt-server)"},
		{"Zabbix agent", []string{"zabbix-agent", "zabbix-agent2"}, "10050", iana + " (zabbix-agent)"},
		{"Zabbix server", []string{"zabbix-server"}, "10051", iana + " (zabbix-trapper)"},
		{"ZooKeeper", []string{"zookeeper"}, "2181,2888,3888", "https://zookeeper.apache.org/doc/current/zookeeperStarted.html"},
	}
}

// Set is the daemon's ports.
func (d *Daemon) Set() *port.Set {
	set, err := port.ParseSet(d.Ports)
	if err != nil {
		panic("catalogue: " + d.Name + ": " + err.Error()) // a test parses all of them
	}
	return set
}

// HasUnit reports whether a unit, such as postgresql@15-main.service, is one of
// the daemon's services.
func (d *Daemon) HasUnit(unit string) bool {
	name, isService := strings.CutSuffix(unit, ".service")
	if !isService {
		return false
	}
	if template, _, instantiated := strings.Cut(name, "@"); instantiated {
		name = template + "@"
	}
	for _, known := range d.Units {
		if known == name {
			return true
		}
	}
	return false
}
