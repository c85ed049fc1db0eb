# Prints the passwords that compose.yaml needs, drawn anew: sh deploy/passwords.sh > .env
# Each begins with a letter: NATS reads what is in a variable as a value of its configuration.
for name in GATEWAY AGENT_1 AGENT_2 AGENT_3; do
  echo "${name}_PASSWORD=p$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')"
done
