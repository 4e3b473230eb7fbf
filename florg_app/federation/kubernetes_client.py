"""The objects of a SuperNode in Kubernetes, as docker/kubernetes/supernode.yaml has them, with gaps."""

CLIENT_OBJECTS = """\
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: florg-@NAME@
spec:
  serviceName: florg-@NAME@
  replicas: 1
  selector:
    matchLabels:
      app: florg-supernode
      client: @NAME@
  template:
    metadata:
      labels:
        app: florg-supernode
        client: @NAME@
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 30
      securityContext:
        runAsNonRoot: true
        runAsUser: 10001
        runAsGroup: 10001
        fsGroup: 10001
        seccompProfile:
          type: RuntimeDefault
      containers:
        - name: supernode
          image: @IMAGE@
          args:
@ARGS@          startupProbe:
            exec:
              command: [python, /opt/florg/health.py]
            periodSeconds: 5
            timeoutSeconds: 5
            failureThreshold: 24
          livenessProbe:
            exec:
              command: [python, /opt/florg/health.py]
            periodSeconds: 30
            timeoutSeconds: 5
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
          resources:
            requests:
              cpu: "4"
              memory: 16Gi
            limits:
              memory: 32Gi
@GPU@          volumeMounts:
            - name: certs
              mountPath: /certs
              readOnly: true
@MOUNT@            - name: state
              mountPath: /state
            - name: cache
              mountPath: /cache
            - name: tmp
              mountPath: /tmp
      volumes:
        - name: certs
          secret:
            secretName: florg-@NAME@
            defaultMode: 0440
@VOLUME@        - name: tmp
          emptyDir: {}
  volumeClaimTemplates:
    - metadata:
        name: state
      spec:
        accessModes: [ReadWriteOnce]
        resources:
          requests:
            storage: 10Gi
    - metadata:
        name: cache
      spec:
        accessModes: [ReadWriteOnce]
        resources:
          requests:
            storage: 50Gi
"""
