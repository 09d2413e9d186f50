"""What Licet is made of besides its own code: under which licences, with which known holes."""
