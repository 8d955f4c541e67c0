#!/bin/sh
# Makes a password for each user of the broker, once. Runs in Mosquitto's image as root; the volume
# is seen by the broker (user 1883) and by homewatch (user 65532) only.
set -eu
umask 077
cd /secrets
[ -f mosquitto_passwd ] && exit 0

touch passwd.new
for user in homewatch homeassistant; do
    password=$(head -c 18 /dev/urandom | base64)
    printf '%s\n' "$password" > "mqtt_$user"
    mosquitto_passwd -b passwd.new "$user" "$password"
done
chown 65532:65532 mqtt_homewatch
chown 1883:1883 passwd.new
mv passwd.new mosquitto_passwd
chmod 755 .
