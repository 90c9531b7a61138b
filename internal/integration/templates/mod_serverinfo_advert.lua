-- Makes a host advertise XEP-0485 for as long as the module is loaded: the feature, and the form that names the node.
local form = require "util.dataforms".new {
	{ name = "FORM_TYPE"; type = "hidden"; value = "http://jabber.org/network/serverinfo" };
	{ name = "serverinfo-pubsub-node"; type = "text-single" };
};

module:add_feature("urn:xmpp:serverinfo:0");

local node = module:get_option_string("serverinfo_pubsub_node");
if node then
	module:add_extension(form:form({ ["serverinfo-pubsub-node"] = node }, "result"));
end
