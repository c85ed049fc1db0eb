"""A model's configuration: what models look up in it, and what `auto_complete_config` may fill in."""
import json


def get_input_config_by_name(model_config, name):
    return _named(model_config.get("input", []), name)


def get_output_config_by_name(model_config, name):
    return _named(model_config.get("output", []), name)


def using_decoupled_model_transaction_policy(model_config):
    return model_config.get("model_transaction_policy", {}).get("decoupled", False)


def _named(ports, name):
    for port in ports:
        if port["name"] == name:
            return port
    return None


class ModelConfig:
    """Given to `auto_complete_config`. What the configuration says already may be repeated, not changed."""

    def __init__(self, model_config):
        self._config = json.loads(model_config)

    def as_dict(self):
        return self._config

    def set_max_batch_size(self, max_batch_size):
        given = self._config.get("max_batch_size", 0)
        if given > max_batch_size:
            raise ValueError(
                f"configuration specified max_batch_size {given}, but in auto-complete-config function for model "
                f"'{self._config['name']}' specified max_batch_size {max_batch_size}"
            )
        self._config["max_batch_size"] = max_batch_size

    def set_dynamic_batching(self):
        for scheduler in ("sequence_batching", "ensemble_scheduling"):
            if scheduler in self._config:
                raise ValueError(
                    f"Configuration specified scheduling_choice as '{scheduler}', but auto-complete-config function for model "
                    f"'{self._config['name']}' tries to set scheduling_choice as 'dynamic_batching'"
                )
        self._config.setdefault("dynamic_batching", {})

    def add_input(self, input):
        self._add("input", input, ("name", "data_type", "dims", "optional"), "'name', 'data_type', 'dims' and 'optional'")

    def add_output(self, output):
        self._add("output", output, ("name", "data_type", "dims"), "'name', 'data_type' and 'dims'")

    def set_model_transaction_policy(self, transaction_policy_dict):
        where = f"model '{self._config['name']}'"
        if any(name != "decoupled" for name in transaction_policy_dict):
            raise ValueError(
                f"model transaction property in auto-complete-config function for {where} contains property other than 'decoupled'."
            )
        policy = self._config.setdefault("model_transaction_policy", {})
        if "decoupled" not in transaction_policy_dict:
            return
        wanted = transaction_policy_dict["decoupled"]
        if policy.get("decoupled", wanted) != wanted:
            raise ValueError(
                f"trying to change decoupled property in auto-complete-config for {where}, which is already set to '{policy['decoupled']}'."
            )
        policy["decoupled"] = wanted

    def _add(self, kind, port, properties, listed):
        model = self._config["name"]
        where = f"in auto-complete-config function for model '{model}'"
        if any(name not in properties for name in port):
            raise ValueError(f"{kind} '{port.get('name', '')}' {where} contains property other than {listed}.")
        if "name" not in port:
            raise ValueError(f"{kind} {where} is missing 'name' property.")
        for name in ("data_type", "dims"):
            if name not in port:
                raise ValueError(f"{kind} '{port['name']}' {where} is missing '{name}' property.")
        ports = self._config.setdefault(kind, [])
        known = _named(ports, port["name"])
        if known is None:
            ports.append(port)
            return
        if known.get("data_type", "TYPE_INVALID") not in ("TYPE_INVALID", port["data_type"]):
            raise ValueError(
                f"unable to load model '{model}', configuration expects datatype {known['data_type']} for {kind} '{port['name']}', "
                f"model provides {port['data_type']}"
            )
        for name in ("dims", "optional"):
            if name in port and known.get(name) and known[name] != port[name]:
                raise ValueError(
                    f"model '{model}', tensor '{port['name']}': the model expects {name} {port[name]} "
                    f"but the model configuration specifies {name} {known[name]}"
                )
        known.update(port)
