#!/bin/sh
# Who may write and read which topic, for a cluster with access control (docs/deployment.md).
# Made from the contracts' table of topics by the command `topics --access`; not by hand.
set -eu
allow() {
  kafka-acls.sh --bootstrap-server "$BOOTSTRAP" --command-config "$ADMIN" --add --force "$@"
}
allow --allow-principal User:booking-systems --operation Write --topic source.bookings.v1
allow --allow-principal User:ingestion-service --operation Read --operation DescribeConfigs --topic source.bookings.v1
allow --allow-principal User:rapport-operators --operation Create --operation Describe --operation DescribeConfigs --topic source.bookings.v1
allow --allow-principal User:payment-systems --operation Write --topic source.payments.v1
allow --allow-principal User:ingestion-service --operation Read --operation DescribeConfigs --topic source.payments.v1
allow --allow-principal User:rapport-operators --operation Create --operation Describe --operation DescribeConfigs --topic source.payments.v1
allow --allow-principal User:signal-systems --operation Write --topic source.signals.v1
allow --allow-principal User:ingestion-service --operation Read --operation DescribeConfigs --topic source.signals.v1
allow --allow-principal User:rapport-operators --operation Create --operation Describe --operation DescribeConfigs --topic source.signals.v1
allow --allow-principal User:care-systems --operation Write --topic source.care.v1
allow --allow-principal User:ingestion-service --operation Read --operation DescribeConfigs --topic source.care.v1
allow --allow-principal User:rapport-operators --operation Create --operation Describe --operation DescribeConfigs --topic source.care.v1
allow --allow-principal User:ingestion-service --operation Write --operation Read --operation DescribeConfigs --topic practices.v1
allow --allow-principal User:scoring-service --operation Read --operation DescribeConfigs --topic practices.v1
allow --allow-principal User:outreach-service --operation Read --operation DescribeConfigs --topic practices.v1
allow --allow-principal User:rapport-operators --operation Create --operation Describe --operation DescribeConfigs --topic practices.v1
allow --allow-principal User:ingestion-service --operation Write --operation Read --operation DescribeConfigs --topic keys.v1
allow --allow-principal User:scoring-service --operation Read --operation DescribeConfigs --topic keys.v1
allow --allow-principal User:outreach-service --operation Read --operation DescribeConfigs --topic keys.v1
allow --allow-principal User:rapport-operators --operation Create --operation Describe --operation DescribeConfigs --topic keys.v1
allow --allow-principal User:ingestion-service --operation Write --operation Read --operation DescribeConfigs --topic client-activity.v1
allow --allow-principal User:scoring-service --operation Read --operation DescribeConfigs --topic client-activity.v1
allow --allow-principal User:outreach-service --operation Read --operation DescribeConfigs --topic client-activity.v1
allow --allow-principal User:rapport-operators --operation Create --operation Describe --operation DescribeConfigs --topic client-activity.v1
allow --allow-principal User:ingestion-service --operation Write --operation Read --operation DescribeConfigs --topic care-signals.v1
allow --allow-principal User:outreach-service --operation Read --operation DescribeConfigs --topic care-signals.v1
allow --allow-principal User:rapport-operators --operation Create --operation Describe --operation DescribeConfigs --topic care-signals.v1
allow --allow-principal User:scoring-service --operation Write --operation Read --operation DescribeConfigs --topic tier-changes.v1
allow --allow-principal User:outreach-service --operation Read --operation DescribeConfigs --topic tier-changes.v1
allow --allow-principal User:subscribers --operation Read --operation DescribeConfigs --topic tier-changes.v1
allow --allow-principal User:rapport-operators --operation Create --operation Describe --operation DescribeConfigs --topic tier-changes.v1
allow --allow-principal User:outreach-service --operation Write --operation Read --operation DescribeConfigs --topic outreach-events.v1
allow --allow-principal User:subscribers --operation Read --operation DescribeConfigs --topic outreach-events.v1
allow --allow-principal User:rapport-operators --operation Create --operation Describe --operation DescribeConfigs --topic outreach-events.v1
allow --allow-principal User:ingestion-service --operation Read --group ingestion-service
allow --allow-principal User:outreach-service --operation Read --group outreach-service
allow --allow-principal User:scoring-service --operation Read --group scoring-service
allow --allow-principal User:subscribers --operation Read --group subscribers- --resource-pattern-type prefixed
